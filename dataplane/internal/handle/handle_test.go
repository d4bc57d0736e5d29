package handle

import (
	"bytes"
	"strings"
	"testing"

	"tollgate.dev/dataplane/wire"
)

func sealer(t testing.TB, fill byte) *Sealer {
	t.Helper()
	s, err := New(wire.FleetKey(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func kept() Kept {
	return Kept{Kind: Response, Provider: wire.ID{1}, Credential: wire.ID{2}, Name: "resp_0123456789abcdef"}
}

func TestAnIDOpensAtEveryEdgeForItsOwner(t *testing.T) {
	t.Parallel()
	owner := Owner{wire.ID{3}, wire.ID{4}}
	id := sealer(t, 7).Seal(owner, kept())
	if id != sealer(t, 7).Seal(owner, kept()) || !strings.HasPrefix(id, "resp_") || strings.Contains(id, "0123456789abcdef") {
		t.Errorf("the id is %s", id)
	}
	if got, ok := sealer(t, 7).Open(owner, Response, id); !ok || got != kept() {
		t.Errorf("%+v %t", got, ok)
	}
}

func TestAnIDOpensForNobodyElse(t *testing.T) {
	t.Parallel()
	owner := Owner{wire.ID{3}, wire.ID{4}}
	s := sealer(t, 7)
	id := s.Seal(owner, kept())
	for name, opened := range map[string]func() (Kept, bool){
		"another organization": func() (Kept, bool) { return s.Open(Owner{wire.ID{5}, wire.ID{4}}, Response, id) },
		"another workspace":    func() (Kept, bool) { return s.Open(Owner{wire.ID{3}, wire.ID{5}}, Response, id) },
		"the two exchanged":    func() (Kept, bool) { return s.Open(Owner{wire.ID{4}, wire.ID{3}}, Response, id) },
		"another kind":         func() (Kept, bool) { return s.Open(owner, File, "file-"+id[len("resp_"):]) },
		"another fleet":        func() (Kept, bool) { return sealer(t, 8).Open(owner, Response, id) },
		"a provider's own":     func() (Kept, bool) { return s.Open(owner, Response, kept().Name) },
		"none":                 func() (Kept, bool) { return s.Open(owner, Response, "") },
		"a long one":           func() (Kept, bool) { return s.Open(owner, Response, "resp_"+strings.Repeat("a", 1<<20)) },
		"one that is cut":      func() (Kept, bool) { return s.Open(owner, Response, id[:len(id)-1]) },
		"one that is longer":   func() (Kept, bool) { return s.Open(owner, Response, id+"A") },
		"one with a line feed": func() (Kept, bool) { return s.Open(owner, Response, id+"\n") },
	} {
		if got, ok := opened(); ok {
			t.Errorf("%s opens it: %+v", name, got)
		}
	}
	for i := len("resp_"); i < len(id); i++ {
		changed := []byte(id)
		changed[i] = 'A' + (changed[i]+1)%26
		if _, ok := s.Open(owner, Response, string(changed)); ok && string(changed) != id {
			t.Errorf("changed at %d it opens", i)
		}
	}
}

func TestAnIDSaysTheRun(t *testing.T) {
	t.Parallel()
	owner := Owner{wire.ID{3}, wire.ID{4}}
	for _, thread := range []Thread{{Run: "r"}, {Run: "r", Open: true}, {Run: strings.Repeat("r", 255)}} {
		one := kept()
		one.Thread = thread
		if got, ok := sealer(t, 7).Open(owner, Response, sealer(t, 7).Seal(owner, one)); !ok || got != one {
			t.Errorf("%+v %t, want %+v", got, ok, one)
		}
	}
}

func TestAnIDCarriesANoteOfTheEdges(t *testing.T) {
	t.Parallel()
	owner, s := Owner{wire.ID{3}, wire.ID{4}}, sealer(t, 7)
	for _, note := range []string{"a", strings.Repeat("n", NoteMost), strings.Repeat("n", BatchNoteMost)} {
		with := kept()
		with.Kind, with.Name, with.Note, with.Thread = MessageBatch, strings.Repeat("m", longNameMost), note, Thread{Run: strings.Repeat("r", len(note)%200)}
		id := s.Seal(owner, with)
		if got, ok := s.Open(owner, MessageBatch, id); !ok || got != with || !strings.HasPrefix(id, "msgbatch_") || strings.Contains(id, note) && len(note) > 1 {
			t.Errorf("%+v %t", got, ok)
		}
		if got, ok := s.Open(Owner{wire.ID{3}, wire.ID{5}}, MessageBatch, id); ok {
			t.Errorf("it opens for another workspace: %+v", got)
		}
	}
	long := kept()
	long.Note = strings.Repeat("n", NoteMost+1)
	if id := s.Seal(owner, long); id != long.Name {
		t.Errorf("a note that is too long: %s", id)
	}
	long.Kind, long.Name, long.Note = MessageBatch, "msgbatch_"+strings.Repeat("a", 24), strings.Repeat("n", BatchNoteMost)
	if id := s.Seal(owner, long); len(id) > 1024 || id == long.Name {
		t.Errorf("the books do not take an id of %d bytes", len(id))
	}
	long.Note += "n"
	if id := s.Seal(owner, long); id != long.Name {
		t.Errorf("a note of a batch that is too long: %s", id)
	}
}

func TestWhatHasNoNameHasNoID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", strings.Repeat("n", longNameMost+1)} {
		if id := sealer(t, 7).Seal(Owner{}, Kept{Kind: Response, Name: name}); id != name {
			t.Errorf("%q", id)
		}
	}
}

func FuzzForeignIDs(f *testing.F) {
	s := sealer(f, 7)
	f.Add("resp_")
	f.Add(s.Seal(Owner{wire.ID{3}, wire.ID{5}}, kept()))
	f.Fuzz(func(t *testing.T, id string) {
		if got, ok := s.Open(Owner{wire.ID{3}, wire.ID{4}}, Response, id); ok {
			t.Errorf("%q opens: %+v", id, got)
		}
	})
}
