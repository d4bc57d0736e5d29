package translate

import (
	"encoding/binary"
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
		"an ogg file without position": {[]byte("OggS\x00\x02" + strings.Repeat("\xff", 60)), 1132, 17},
	} {
		most, usual := soundMs(c.file)
		if most != c.most || c.usual != 0 && usual != c.usual {
			t.Errorf("%s (%d bytes): at most %d ms, usually %d, want %d and %d", name, len(c.file), most, usual, c.most, c.usual)
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
