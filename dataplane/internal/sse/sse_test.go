package sse

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

type plain struct{ raw, name, data string }

func collect(t testing.TB, input []byte, step int) (events []plain, tail string) {
	t.Helper()
	var s Splitter
	for at := 0; at < len(input); at += step {
		s.Feed(input[at:min(at+step, len(input))])
		for {
			event, ok, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			events = append(events, plain{string(event.Raw), string(event.Name), string(event.Data)})
		}
	}
	if event, ok := s.Tail(); ok {
		tail = string(event.Raw)
	}
	return events, tail
}

func TestNextFindsEventsAtEverySplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		input string
		want  []plain
		tail  string
	}{
		"line feeds":  {"data: a\n\ndata:b\n\n", []plain{{"data: a\n\n", "", "a"}, {"data:b\n\n", "", "b"}}, ""},
		"crlf":        {"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []plain{{"event: x\r\ndata: a\r\n\r\n", "x", "a"}, {"data: b\r\n\r\n", "", "b"}}, ""},
		"comment":     {": ping\n\ndata: a\n\n", []plain{{": ping\n\n", "", ""}, {"data: a\n\n", "", "a"}}, ""},
		"multi data":  {"data: a\ndata\ndata: c\n\n", []plain{{"data: a\ndata\ndata: c\n\n", "", "a\n\nc"}}, ""},
		"unfinished":  {"data: a\n\ndata: [DONE]\n", []plain{{"data: a\n\n", "", "a"}}, "data: [DONE]\n"},
		"two spaces":  {"data:  a\n\n", []plain{{"data:  a\n\n", "", " a"}}, ""},
		"blank begin": {"\n\ndata: a\n\n", []plain{{"\n", "", ""}, {"\n", "", ""}, {"data: a\n\n", "", "a"}}, ""},
	} {
		for step := 1; step <= len(c.input); step++ {
			events, tail := collect(t, []byte(c.input), step)
			if !reflect.DeepEqual(events, c.want) || tail != c.tail {
				t.Errorf("%s in pieces of %d: got %q tail %q", name, step, events, tail)
			}
		}
	}
}

func TestNextRefusesAnEndlessLine(t *testing.T) {
	t.Parallel()
	var s Splitter
	chunk := []byte(strings.Repeat("x", 32<<10))
	var err error
	fed := 0
	for range 100 {
		s.Feed(chunk)
		fed += len(chunk)
		if _, _, err = s.Next(); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrTooLong) || fed > EventBytesMax+2*len(chunk) {
		t.Fatalf("err = %v after %d bytes", err, fed)
	}
}

func TestNextDoesNotAllocatePerEvent(t *testing.T) {
	stream := []byte(strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n", 50))
	var s Splitter
	got := testing.AllocsPerRun(100, func() {
		s.Feed(stream)
		for {
			if _, ok, _ := s.Next(); !ok {
				break
			}
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzNext(f *testing.F) {
	for _, seed := range []string{"data: a\n\n", "event: e\r\ndata: a\r\n\r\n", "\r\r", "data\rdata: b\r\r", ":\n\n\n", "data: a\n\r\nid: 1\n\n"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, step uint8) {
		whole, wholeTail := collect(t, input, max(len(input), 1))
		pieces, tail := collect(t, input, int(step)+1)
		join := func(events []plain, tail string) string {
			var b bytes.Buffer
			for _, e := range append(events, plain{raw: tail}) { // one ends in CR alone when its LF comes with a later piece
				b.WriteString(strings.ReplaceAll(strings.ReplaceAll(e.raw, "\r\n", "\n"), "\r", "\n"))
			}
			return b.String()
		}
		if join(whole, wholeTail) != join(pieces, tail) {
			t.Fatalf("the pieces differ: %q and %q", whole, pieces)
		}
		for i := range min(len(whole), len(pieces)) {
			if whole[i].name != pieces[i].name || whole[i].data != pieces[i].data {
				t.Fatalf("event %d: %q and %q", i, whole[i], pieces[i])
			}
		}
	})
}
