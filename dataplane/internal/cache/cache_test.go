package cache

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// shelf is a store in memory. It may be slow or broken.
type shelf struct {
	mutex  sync.Mutex
	values map[string][]byte
	lists  map[string][]Entry
	ttl    time.Duration
	asked  int
	added  int // to lists
	read   int // of them
	slow   time.Duration
	broken bool
}

func newShelf() *shelf { return &shelf{values: map[string][]byte{}, lists: map[string][]Entry{}} }

func (s *shelf) Get(ctx context.Context, key string) ([]byte, error) {
	s.mutex.Lock()
	s.asked++
	value, slow, broken := s.values[key], s.slow, s.broken
	s.mutex.Unlock()
	if broken {
		return nil, errors.New("broken")
	}
	select {
	case <-time.After(slow):
		return value, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *shelf) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.broken {
		return errors.New("broken")
	}
	s.values[key], s.ttl = value, ttl
	return nil
}

func (s *shelf) Add(_ context.Context, key string, value []byte, most int, ttl time.Duration) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.broken {
		return errors.New("broken")
	}
	list := append(s.lists[key], Entry{strconv.Itoa(1_000_000 + s.added), value})
	s.added++
	s.lists[key], s.ttl = list[max(len(list)-most, 0):], ttl
	return nil
}

func (s *shelf) After(ctx context.Context, key, id string) (all []Entry, err error) {
	if _, err := s.Get(ctx, key); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, each := range s.lists[key] {
		if each.ID > id {
			all = append(all, each)
		}
	}
	s.read += len(all)
	return all, nil
}

func (s *shelf) set(change func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change()
}

func fleet() wire.FleetKey { return wire.FleetKey(strings.Repeat("f", 32)) }

func embedding(text string) Answer {
	return Answer{Dialect: dialect.OpenAIEmbeddings, Body: []byte(`{"data":["` + text + `"]}`), CostPico: 77}
}

func (c *Cache) keepNow(p Place, a Answer, ttl time.Duration) {
	c.keep(context.Background(), &waiting{p, a, nil, c.now(), ttl})
}

func TestAnAnswerIsFoundAtItsPlaceAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := New(s, fleet(), Patience, time.Now)
		p := Place{Org: wire.ID{1}, Question: Ask([]byte("a")), Target: Ask([]byte("t"))}
		c.keepNow(p, embedding("secret"), time.Minute)
		kept, found := c.Find(&p)
		if !found || string(kept.Body) != `{"data":["secret"]}` || kept.CostPico != 77 || time.Since(kept.At) != 0 || s.ttl != time.Minute {
			t.Fatalf("%v %+v", found, kept)
		}
		for name, other := range map[string]Place{
			"another tenant":   {Org: wire.ID{2}, Question: p.Question, Target: p.Target},
			"another question": {Org: p.Org, Question: Ask([]byte("b")), Target: p.Target},
			"another target":   {Org: p.Org, Question: p.Question, Target: Ask([]byte("u"))},
		} {
			if _, found := c.Find(&other); found {
				t.Errorf("%s finds it", name)
			}
		}
	})
}

func TestPartsAreToldApart(t *testing.T) {
	t.Parallel()
	if Ask([]byte("ab"), []byte("c")) == Ask([]byte("a"), []byte("bc")) || Ask([]byte("a"), nil) == Ask([]byte("a")) {
		t.Error("two questions have the same hash")
	}
}

func TestTheStoreLearnsNothingAndCannotMoveAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := New(s, fleet(), Patience, time.Now)
		here := Place{Org: wire.ID{1}, Question: Ask([]byte("here"))}
		there := Place{Org: wire.ID{1}, Question: Ask([]byte("there"))}
		c.keepNow(here, embedding("falcon"), time.Minute)
		owner, err := c.tenant(here.Org)
		if err != nil {
			t.Fatal(err)
		}
		from, to := owner.key(&here), owner.key(&there)
		if bytes.Contains(s.values[from], []byte("falcon")) {
			t.Error("the store can read what is kept")
		}
		s.values[to] = s.values[from]
		if _, found := c.Find(&there); found {
			t.Error("an answer was moved to another question")
		}
		for _, forged := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("y"), 200), append([]byte{}, s.values[from][:20]...)} {
			s.values[to] = forged
			if _, found := c.Find(&there); found {
				t.Errorf("%d forged bytes are believed", len(forged))
			}
		}
		other := New(s, wire.FleetKey(strings.Repeat("g", 32)), Patience, time.Now)
		if _, found := other.Find(&here); found {
			t.Error("another fleet reads it")
		}
	})
}

func TestASlowStoreIsAMissWithinItsBoundAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.slow = 300 * time.Millisecond
		c := New(s, fleet(), Patience, time.Now)
		p := Place{Org: wire.ID{1}}
		c.keepNow(p, embedding("x"), time.Minute)
		for range 50 {
			began := time.Now()
			if _, found := c.Find(&p); found || time.Since(began) > Patience {
				t.Fatalf("found %v after %s", found, time.Since(began))
			}
		}
		s.set(func() {
			if s.asked != failuresMost {
				t.Errorf("asked %d times", s.asked)
			}
			s.slow = 0
		})
		time.Sleep(pause)
		if _, found := c.Find(&p); !found {
			t.Error("it is not tried again")
		}
		if _, found := c.Find(&p); !found {
			t.Error("the circuit stays open")
		}
		time.Sleep(keepWithin) // until those that nobody waits for are over
	})
}

func TestABrokenStoreIsNoError(t *testing.T) {
	t.Parallel()
	s := newShelf()
	s.broken = true
	c := New(s, fleet(), Patience, time.Now)
	for range failuresMost + 1 {
		c.keepNow(Place{}, embedding("x"), time.Minute)
		if _, found := c.Find(&Place{}); found {
			t.Fatal("found")
		}
	}
	if c.counted.dropped.Load() != failuresMost+1 || c.counted.kept.Load() != 0 {
		t.Errorf("dropped %d", c.counted.dropped.Load())
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	c := New(newShelf(), fleet(), Patience, time.Now)
	for range 40 {
		c.Keep(Place{}, Answer{Body: make([]byte, EntryBytesMax)}, nil, time.Minute)
	}
	if c.bytes.Load() != waitBytes || c.counted.dropped.Load() != 8 {
		t.Errorf("%d bytes wait, %d dropped", c.bytes.Load(), c.counted.dropped.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	for c.bytes.Load() > 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("they are not taken")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWholeAnswersThatActNotAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer Answer
		want   bool
	}{
		"chat":             {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[{"message":{"content":"hi","refusal":null,"tool_calls":[]},"finish_reason":"stop"}]}`)}, true},
		"chat cut":         {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[{"message":{"content":"hi"},"finish_reason":"length"}]}`)}, false},
		"chat half cut":    {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[{"message":{},"finish_reason":"stop"},{"message":{},"finish_reason":"content_filter"}]}`)}, false},
		"chat refused":     {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[{"message":{"refusal":"no"},"finish_reason":"stop"}]}`)}, false},
		"chat calls":       {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[{"message":{"tool_calls":[{"id":"1"}]},"finish_reason":"stop"}]}`)}, false},
		"chat empty":       {Answer{Dialect: dialect.OpenAIChat, Body: []byte(`{"choices":[]}`)}, false},
		"chat stream":      {Answer{Dialect: dialect.OpenAIChat, Form: Form{Streamed: true}, Body: []byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")}, true},
		"chat stream cut":  {Answer{Dialect: dialect.OpenAIChat, Form: Form{Streamed: true}, Body: []byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n")}, false},
		"chat stream call": {Answer{Dialect: dialect.OpenAIChat, Form: Form{Streamed: true}, Body: []byte("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]}}]}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n")}, false},
		"response":         {Answer{Dialect: dialect.OpenAIResponses, Body: []byte(`{"status":"completed","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text"}]}]}`)}, true},
		"response refused": {Answer{Dialect: dialect.OpenAIResponses, Body: []byte(`{"status":"completed","output":[{"type":"message","content":[{"type":"refusal"}]}]}`)}, false},
		"response call":    {Answer{Dialect: dialect.OpenAIResponses, Body: []byte(`{"status":"completed","output":[{"type":"function_call"}]}`)}, false},
		"response cut":     {Answer{Dialect: dialect.OpenAIResponses, Body: []byte(`{"status":"incomplete","output":[]}`)}, false},
		"response stream":  {Answer{Dialect: dialect.OpenAIResponses, Form: Form{Streamed: true}, Body: []byte("event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n")}, true},
		"message":          {Answer{Dialect: dialect.AnthropicMessages, Body: []byte(`{"stop_reason":"end_turn","content":[{"type":"thinking"},{"type":"text"}]}`)}, true},
		"message call":     {Answer{Dialect: dialect.AnthropicMessages, Body: []byte(`{"stop_reason":"tool_use","content":[{"type":"tool_use"}]}`)}, false},
		"message refused":  {Answer{Dialect: dialect.AnthropicMessages, Body: []byte(`{"stop_reason":"refusal","content":[]}`)}, false},
		"message stream":   {Answer{Dialect: dialect.AnthropicMessages, Form: Form{Streamed: true}, Body: []byte("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n")}, true},
		"message ran code": {Answer{Dialect: dialect.AnthropicMessages, Form: Form{Streamed: true}, Body: []byte("data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"server_tool_use\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n")}, false},
		"gemini":           {Answer{Dialect: dialect.GeminiGenerate, Body: []byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`)}, true},
		"gemini call":      {Answer{Dialect: dialect.GeminiGenerate, Body: []byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`)}, false},
		"gemini blocked":   {Answer{Dialect: dialect.GeminiGenerate, Body: []byte(`{"promptFeedback":{"blockReason":"SAFETY"}}`)}, false},
		"gemini array":     {Answer{Dialect: dialect.GeminiGenerate, Form: Form{Streamed: true, Array: true}, Body: []byte("[{\"candidates\":[{\"content\":{}}]},\r\n{\"candidates\":[{\"finishReason\":\"STOP\"}]}]")}, true},
		"embedding":        {embedding("x"), true},
		"too long":         {Answer{Dialect: dialect.OpenAIEmbeddings, Body: []byte(`{"data":"` + strings.Repeat("x", EntryBytesMax) + `"}`)}, false},
		"a task":           {Answer{Dialect: dialect.OpenAIImages, Body: []byte(`{"data":[]}`)}, false},
		"nothing":          {Answer{Dialect: dialect.OpenAIChat}, false},
	} {
		if got := c.answer.whole(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "50KB": 50 << 10} {
		b.Run(name, func(b *testing.B) {
			c := New(newShelf(), fleet(), Patience, time.Now)
			p := Place{Org: wire.ID{1}}
			c.keepNow(p, embedding(strings.Repeat("x", size)), time.Minute)
			b.ReportAllocs()
			for b.Loop() {
				if _, found := c.Find(&p); !found {
					b.Fatal("missed")
				}
			}
		})
	}
}
