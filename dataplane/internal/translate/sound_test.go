package translate

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// waveOf is a file whose head says that, with so many bytes behind it.
func waveOf(channels uint16, samples uint32, bits uint16, bytes int) []byte {
	head := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00"), byte(channels), byte(channels>>8))
	head = binary.LittleEndian.AppendUint32(head, samples)
	head = binary.LittleEndian.AppendUint32(head, samples*uint32(channels)*uint32(bits)/8)
	head = binary.LittleEndian.AppendUint16(head, channels*bits/8)
	head = binary.LittleEndian.AppendUint16(head, bits)
	return append(append(head, "data\x00\x00\x00\x00"...), make([]byte, bytes)...)
}

func TestSoundIsNotShorterThanAnyReaderCanTakeIt(t *testing.T) {
	t.Parallel()
	tampered := func(at int, value byte) []byte {
		file := waveOf(1, 8000, 8, 100_000)
		file[at] = value
		return file
	}
	const floor = 100_044*1000/leastBytesPerSec + 1000
	for name, c := range map[string]struct {
		file        []byte
		most, usual int64
	}{
		"telephone":                    {waveOf(1, 8000, 8, 8000-44), 1001, 1001},
		"studio":                       {waveOf(2, 48_000, 24, 288_000-44), 1001, 1001},
		"with notes before the sound":  {append(append(waveOf(1, 8000, 8, 0)[:36], "LIST\x03\x00\x00\x00abc\x00data\x00\x00\x00\x00"...), make([]byte, 8000-56)...), 1001, 1001},
		"another format in its midst":  {append(append(waveOf(1, 8000, 8, 0)[:36], "fmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"...), make([]byte, 99_976)...), floor, 0},
		"more bits than there are":     {tampered(34, 255), floor, 0},
		"many channels":                {tampered(22, 200), floor, 0},
		"a rate beyond hearing":        {tampered(27, 255), floor, 0},
		"a byte rate that differs":     {tampered(28, 1), floor, 0},
		"a block size that differs":    {tampered(32, 9), floor, 0},
		"another coding":               {tampered(20, 85), floor, 0},
		"no samples":                   {tampered(36, 'x'), floor, 0},
		"nothing":                      {nil, 1000, 1},
		"a flac file of an hour":       {[]byte("fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00\x00\x00\x01\xf4\x00\xf0\x01\xb7\x74\x00" + strings.Repeat("\x00", 100)), 3_600_000, 3_600_000},
		"a flac file that lies":        {[]byte("fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00\x00\x00\x01\xf4\x00\xf0\x00\x00\x00\x01" + strings.Repeat("\x00", 49_974)), 101_000, 12_501},
		"an opus file of ten minutes":  {[]byte("OggS\x00\x02" + strings.Repeat("\x00", 22) + "OpusHead" + strings.Repeat("\x00", 20) + "OggS\x00\x04\x00\xba\xb7\x01\x00\x00\x00\x00" + strings.Repeat("\x00", 10)), 600_373, 600_373},
		"an ogg file without position": {[]byte("OggS\x00\x02" + strings.Repeat("\xff", 60)), 8192, 17},
	} {
		most, usual := soundMs(c.file)
		if most != c.most || c.usual != 0 && usual != c.usual {
			t.Errorf("%s (%d bytes): at most %d ms, usually %d, want %d and %d", name, len(c.file), most, usual, c.most, c.usual)
		}
	}
}

// flacOf is a FLAC file that says it has one sample, with so many frames of so many samples of silence; what is in them does not matter.
func flacOf(frames, samples int, rate uint64) []byte {
	file := append([]byte("fLaC\x80\x00\x00\x22"), make([]byte, 34)...)
	binary.BigEndian.PutUint64(file[18:], rate<<44|1)
	for i := range frames {
		head := []byte{0xff, 0xf8, 7 << 4, 0x08, byte(i % 128), byte((samples - 1) >> 8), byte(samples - 1)}
		file = append(append(file, head...), crc8(head), 0, 0, 0, 0, 0)
	}
	return file
}

// oggOf is an Ogg file whose last position is one sample, with so many packets of a byte in pages of 255.
func oggOf(first string, packets int) []byte {
	page := func(table, body []byte) []byte {
		head := append([]byte("OggS\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 12)...)
		return append(append(append(head, byte(len(table))), table...), body...)
	}
	file := page([]byte{byte(len(first))}, []byte(first))
	for ; packets > 0; packets -= 255 {
		n := min(packets, 255)
		file = append(file, page([]byte(strings.Repeat("\x01", n)), make([]byte, n))...)
	}
	return file
}

// TestALieAboutItsLengthDoesNotMakeASoundCheaper: what frames and packets can hold is reserved, whatever the head says.
func TestALieAboutItsLengthDoesNotMakeASoundCheaper(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		frames, samples, rate := 1+random.IntN(2000), 1+random.IntN(1<<16), uint64(8000+random.IntN(88_000))
		lasts := int64(uint64(frames*samples) * 1000 / rate)
		if most, usual := soundMs(flacOf(frames, samples, rate)); most < lasts || usual > most || most > max(lasts+int64(frames)+1, int64(42+13*frames)*1000/leastBytesPerSec+1000) {
			t.Errorf("flac: %d frames of %d samples at %d are %d ms; at most %d", frames, samples, rate, lasts, most)
		}
		if most, _ := soundMs(oggOf("OpusHead\x01\x01"+strings.Repeat("\x00", 9), frames)); most < int64(frames)*opusMostMs || most > int64(frames+3+frames/255)*opusMostMs+int64(60+30*(1+frames/255)+2*frames)*1000/leastBytesPerSec+1000 {
			t.Errorf("opus: %d packets; at most %d", frames, most)
		}
		vorbis := binary.LittleEndian.AppendUint32([]byte("\x01vorbis\x00\x00\x00\x00\x01"), uint32(rate))
		if most, _ := soundMs(oggOf(string(vorbis)+strings.Repeat("\x00", 20), frames)); most < int64(frames*vorbisMost)*1000/int64(rate) {
			t.Errorf("vorbis at %d: %d packets; at most %d", rate, frames, most)
		}
		if most, _ := soundMs(oggOf("Speex   "+strings.Repeat("\x00", 60), frames)); most < int64(frames)*flacBlockMost*1000/slowestRate {
			t.Errorf("another coding: %d packets; at most %d", frames, most)
		}
	}
}

// FuzzSound: whatever a head says, sound that is not plain is as long as the least rate makes it, and nothing is longer than a thousand hours
// unless its bytes are.
func FuzzSound(f *testing.F) {
	f.Add(waveOf(1, 8000, 8, 100), 3)
	f.Add([]byte("fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00\x00\x00\x01\xf4\x00\xf0\x01\xb7\x74\x00"), 100)
	f.Add([]byte("OggS\x00\x02"+strings.Repeat("\x00", 23)+"\x01vorbis\x00\x00\x00\x00\x01\x44\xac\x00\x00"), 10)
	f.Fuzz(func(t *testing.T, head []byte, more int) {
		file := append(head, make([]byte, min(max(more, 0), 1<<20))...)
		most, usual := soundMs(file)
		floor := int64(len(file))*1000/leastBytesPerSec + 1000
		if _, plain := waveMs(file); usual < 1 || usual > most || most > max(floor, soundMostMs) || !plain && most < floor || most < int64(len(file))*1000/(8*192_000*4) {
			t.Errorf("%d bytes that begin %.60q: at most %d ms, usually %d", len(file), head, most, usual)
		}
	})
}
