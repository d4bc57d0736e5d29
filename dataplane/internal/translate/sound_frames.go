package translate

import (
	"bytes"
	"encoding/binary"
)

// Heads of FLAC and Ogg may lie about how long they are. What a decoder makes of a file is bounded by the frames and packets that are in it.

const (
	flacBlockMost = 1 << 16 // samples of a frame
	vorbisMost    = 1 << 13 // samples of a packet
	opusMostMs    = 120     // of a packet (RFC 6716 §2.1.4)
	slowestRate   = 8000    // samples a second, where no rate is said
)

// flacFramesMs returns how long everything in a file is that a decoder could take for a frame of FLAC: a head with its checksum (RFC 9639 §9.1).
// Streamed is the rate that the file's own head says.
func flacFramesMs(file []byte, streamed uint64) (ms uint64) {
	for at := 0; ; at++ {
		next := bytes.IndexByte(file[at:], 0xff)
		if next < 0 || at+next+1 >= len(file) {
			return ms
		}
		at += next
		if file[at+1]&0xfe != 0xf8 {
			continue
		}
		if samples, rate, ok := flacFrame(file[at:]); ok {
			if streamed > 0 && (rate == 0 || streamed < rate) {
				rate = streamed
			}
			if rate == 0 {
				rate = slowestRate
			}
			ms += samples*1000/rate + 1
		}
	}
}

// flacFrame reads the head of a frame: how many samples it has, and at what rate; 0: that of the file's head.
func flacFrame(raw []byte) (samples, rate uint64, ok bool) {
	const fixed = 4 // bytes before the number of the frame
	if len(raw) < fixed+2 || raw[3]&1 != 0 {
		return 0, 0, false
	}
	at := fixed + 1
	for bit := byte(0x80); raw[fixed]&bit != 0 && bit > 1; bit >>= 1 { // the number is written as UTF-8 writes a character
		if bit < 0x80 {
			at++
		}
	}
	size, speed := raw[2]>>4, raw[2]&15
	number := func(bytes int) (n uint64) {
		for range bytes {
			if at < len(raw) {
				n = n<<8 | uint64(raw[at])
			}
			at++
		}
		return n
	}
	switch {
	case size == 0:
		return 0, 0, false
	case size == 1:
		samples = 192
	case size <= 5:
		samples = 576 << (size - 2)
	case size == 6:
		samples = number(1) + 1
	case size == 7:
		samples = number(2) + 1
	default:
		samples = 256 << (size - 8)
	}
	switch speed {
	case 12:
		rate = number(1) * 1000
	case 13:
		rate = number(2)
	case 14:
		rate = number(2) * 10
	case 15:
		return 0, 0, false
	default:
		rate = [...]uint64{0, 88_200, 176_400, 192_000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000}[speed]
	}
	return samples, rate, at < len(raw) && crc8(raw[:at]) == raw[at]
}

// crc8 is the checksum of a frame's head: x⁸+x²+x+1.
func crc8(raw []byte) (sum byte) {
	for _, b := range raw {
		sum ^= b
		for range 8 {
			if sum&0x80 != 0 {
				sum = sum<<1 ^ 7
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}

// oggPacketsMs returns how long the packets of all pages of an Ogg file can be together, whatever their positions say (RFC 3533 §6): of Opus and
// Vorbis what a packet can hold, of others what a frame of FLAC can.
func oggPacketsMs(file []byte) (ms uint64) {
	const head = 27
	packets := uint64(0)
	for at := 0; ; at++ {
		next := bytes.Index(file[at:], []byte("OggS"))
		if next < 0 || at+next+head > len(file) {
			break
		}
		at += next
		table := file[at+head : min(at+head+int(file[at+head-1]), len(file))]
		packets += uint64(len(table) - bytes.Count(table, []byte{0xff}) + 1)
	}
	return packets * oggPacketMs(file)
}

// oggPacketMs returns how long a packet can be.
func oggPacketMs(file []byte) (ms uint64) {
	known := false
	if bytes.Contains(file, []byte("OpusHead")) {
		known, ms = true, opusMostMs
	}
	for rest := file; ; known = true { // streams may follow one another
		at := bytes.Index(rest, []byte("\x01vorbis"))
		if at < 0 || at+16 > len(rest) {
			break
		}
		ms = max(ms, vorbisMost*1000/max(uint64(binary.LittleEndian.Uint32(rest[at+12:])), 1)+1)
		rest = rest[at+16:]
	}
	if at := bytes.Index(file, []byte("\x7fFLAC")); at >= 0 && at+9+26 <= len(file) {
		rate := binary.BigEndian.Uint64(file[at+9+18:]) >> 44
		known, ms = true, max(ms, flacBlockMost*1000/max(rate, 1)+1)
	}
	if !known {
		ms = flacBlockMost * 1000 / slowestRate
	}
	return ms
}
