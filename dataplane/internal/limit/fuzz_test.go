package limit

import (
	"encoding/binary"
	"testing"
)

// FuzzAnswer: whatever numbers Redis answers are an error, or grants for all that was asked and a time to wait that is none of the past.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, uint8(1))
	f.Add(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 0), 1<<62), uint8(0))
	five := make([]byte, 40)
	five[7], five[15] = 1, 9
	f.Add(five, uint8(1))
	f.Fuzz(func(t *testing.T, numbers []byte, asks uint8) {
		var raw []int64
		for ; len(numbers) >= 8; numbers = numbers[8:] {
			raw = append(raw, int64(binary.BigEndian.Uint64(numbers)))
		}
		got, err := read(raw, int(asks), nil)
		if err != nil {
			return
		}
		if len(got.grants) != int(asks) || got.refuses < 0 || got.refuses > int(asks) || got.wait < 0 {
			t.Fatalf("%v is %+v", raw, got)
		}
		for _, each := range got.grants {
			if each.granted < 0 {
				t.Errorf("%v grants %d", raw, each.granted)
			}
		}
	})
}
