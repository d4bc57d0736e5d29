package edges_test

import (
	"testing"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

func TestAnEdgeIsToldWhichBooksTheseAreAndSaysThatItToldThemAll(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	e := p.connect(t, nil)
	say := func(told uint64) uint64 {
		t.Helper()
		answer, err := e.client.Positions(t.Context(), connect.NewRequest(&wire.PositionsRequest{EdgeId: e.id[:], ToldBooks: told}))
		if err != nil || answer.Msg.GetBooks() < 2 {
			t.Fatalf("%v, %v", answer, err)
		}
		return answer.Msg.GetBooks()
	}
	told := func() (books uint64) {
		t.Helper()
		if err := p.db.Pool.QueryRow(t.Context(), "SELECT coalesce(max(told), 999) FROM edge_told").Scan(&books); err != nil {
			t.Fatal(err)
		}
		return books
	}
	books := say(0)
	if got := told(); got != 999 {
		t.Errorf("an edge of before has told %d", got)
	}
	say(1)
	say(books - 1)
	if got := told(); got != 0 {
		t.Errorf("an edge that has told other books has told %d", got)
	}
	say(books)
	say(1) // the next process of the edge, which goes on from the same leases
	if got := told(); got != books {
		t.Errorf("books %d: %d are told", books, got)
	}
}
