package translate

import (
	"bytes"
	"encoding/binary"
)

// How many bytes a second of sound has.
const (
	leastBytesPerSec = 500  // 4 kbit/s
	usualBytesPerSec = 4000 // 32 kbit/s
	soundMostMs      = 1000 * 3600 * 1000
)

// soundMs returns how long a file of sound can be at most and usually is, in milliseconds. The head of a plain WAVE says it, if all of its
// fields agree, so that no other reader can take it for slower sound; of others their length does. FLAC and Ogg, where silence is next to no
// bytes, are longer than that if they say so, or if their frames and packets can be.
func soundMs(file []byte) (most, usual int64) {
	if ms, ok := waveMs(file); ok {
		return ms, ms
	}
	size := int64(len(file))
	most, usual = size*1000/leastBytesPerSec+1000, size*1000/usualBytesPerSec+1
	said, there := int64(0), uint64(0)
	switch {
	case bytes.HasPrefix(file, []byte("fLaC")):
		said, there = flacMs(file)
	case bytes.HasPrefix(file, []byte("OggS")):
		said, there = oggMs(file), max(oggPacketsMs(file), flacFramesMs(file, 0))
	}
	return max(most, said, int64(min(there, soundMostMs))), max(usual, said)
}

// waveMs reads the head of uncompressed sound (http://soundfile.sapp.org/doc/WaveFormat/).
func waveMs(file []byte) (ms int64, ok bool) {
	const pcm, headBytes, formatBytes, channelsMost, rateMost = 1, 44, 16, 8, 192_000
	if len(file) < headBytes || string(file[:4]) != "RIFF" || string(file[8:16]) != "WAVEfmt " || !dataFollows(file[headBytes-8:]) {
		return 0, false
	}
	half := func(at int) int64 { return int64(binary.LittleEndian.Uint16(file[at:])) }
	word := func(at int) int64 { return int64(binary.LittleEndian.Uint32(file[at:])) }
	channels, samples, bits := half(22), word(24), half(34)
	if word(16) != formatBytes || half(20) != pcm || channels < 1 || channels > channelsMost || samples < 1 || samples > rateMost || bits != 8 && bits != 16 && bits != 24 && bits != 32 {
		return 0, false
	}
	rate := channels * samples * bits / 8
	if rate < leastBytesPerSec || word(28) != rate || half(32) != channels*bits/8 {
		return 0, false
	}
	return int64(len(file))*1000/rate + 1, true
}

// dataFollows says whether the samples come next, behind notes at most and not behind another format.
func dataFollows(chunks []byte) bool {
	for len(chunks) >= 8 {
		switch size := int64(binary.LittleEndian.Uint32(chunks[4:])); {
		case string(chunks[:4]) == "data":
			return true
		case string(chunks[:4]) == "fmt " || 8+size+size%2 > int64(len(chunks)):
			return false
		default:
			chunks = chunks[8+size+size%2:]
		}
	}
	return false
}

// flacMs reads how many samples a FLAC file says it has (RFC 9639 §8.2), 0: it says none; and how long its frames are.
func flacMs(file []byte) (said int64, there uint64) {
	const begin, end = 18, 26 // of the rate, channels, bits and samples
	if len(file) < end || file[4]&0x7f != 0 {
		return 0, flacFramesMs(file, 0)
	}
	packed := binary.BigEndian.Uint64(file[begin:end])
	return durationMs(packed&(1<<36-1), packed>>44), flacFramesMs(file, packed>>44)
}

// oggMs reads where the last page of an Ogg file says that it ends (RFC 3533 §6), at the rate of its first packet: Opus counts 48,000 a
// second always (RFC 7845 §4), Vorbis says its rate. 0: it says none.
func oggMs(file []byte) int64 {
	const positionAt, firstBytes = 6, 48
	last := bytes.LastIndex(file, []byte("OggS"))
	if len(file) < firstBytes || len(file)-last < positionAt+8 {
		return 0
	}
	rate := uint64(48_000)
	if at := bytes.Index(file[:firstBytes], []byte("\x01vorbis")); at >= 0 && at+16 <= len(file) {
		rate = uint64(binary.LittleEndian.Uint32(file[at+12:]))
	}
	return durationMs(binary.LittleEndian.Uint64(file[last+positionAt:]), rate)
}

// durationMs is 0 where a head says what cannot be.
func durationMs(samples, rate uint64) int64 {
	if rate == 0 || samples > 1<<40 {
		return 0
	}
	return int64(min(samples*1000/rate, soundMostMs))
}
