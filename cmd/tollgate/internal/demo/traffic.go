package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// spender is the agent whose budget is made to run out.
const spender = "release-notes"

// character is an agent of the demo: what it asks, how often and in which dialect.
type character struct {
	name, description string
	engineering       bool
	allowed           []string
	every             time.Duration // the mean time from one call to the next
	path              string
	request           func(*rand.Rand) record
}

const (
	chatPath       = "/v1/chat/completions"
	messagesPath   = "/v1/messages"
	responsesPath  = "/v1/responses"
	embeddingsPath = "/v1/embeddings"
)

// cast are the agents. Together they make a little more than one call a second.
func cast() []character {
	return []character{
		{
			name: "support-triage", description: "Sorts incoming tickets.", allowed: []string{"gpt-4o-mini"}, every: 2500 * time.Millisecond, path: chatPath,
			request: func(r *rand.Rand) record {
				return chat("gpt-4o-mini", r.IntN(3) == 0, "You sort tickets into billing, bug or question.",
					fmt.Sprintf("Ticket %d: %s sim:tokens=%d", 1000+r.IntN(9000), pick(r, complaints()), 10+r.IntN(30)))
			},
		},
		{
			name: "support-answers", description: "Drafts replies from the help pages.", allowed: []string{}, every: 4 * time.Second, path: messagesPath,
			request: func(r *rand.Rand) record {
				said := fmt.Sprintf("Draft a reply. %s sim:cached=%d sim:tokens=%d", pick(r, complaints()), 20*r.IntN(3), 60+r.IntN(120))
				if r.IntN(25) == 0 {
					said += " Mention Project Aurora."
				}
				return record{
					"model": pick(r, []string{"claude-sonnet-4-5", "claude-haiku-4-5"}), "max_tokens": 400, "stream": r.IntN(2) == 0,
					"system": "You answer for the help desk. Use only what the help pages say: " + pick(r, complaints()), "messages": []record{{"role": "user", "content": said}},
				}
			},
		},
		{
			name: "help-search", description: "Indexes and searches the help pages.", allowed: []string{"text-embedding-3-small"}, every: 5 * time.Second, path: embeddingsPath,
			request: func(r *rand.Rand) record {
				return record{"model": "text-embedding-3-small", "input": []string{pick(r, complaints()), pick(r, changes())}, "dimensions": 64}
			},
		},
		{
			name: "code-review", description: "Reads pull requests.", engineering: true, allowed: []string{"gpt-4o", "gpt-4.1"}, every: 4 * time.Second, path: responsesPath,
			request: func(r *rand.Rand) record {
				model := pick(r, []string{"gpt-4o", "gpt-4.1"})
				if r.IntN(20) == 0 {
					model = "gpt-4o-mini" // not allowed: shows a refusal
				}
				return record{
					"model": model, "stream": r.IntN(2) == 0, "max_output_tokens": 500, "instructions": "Review the change. Be brief.",
					"input": fmt.Sprintf("%s sim:tokens=%d", pick(r, changes()), 80+r.IntN(200)),
				}
			},
		},
		{
			name: spender, description: "Writes release notes, on a small budget.", engineering: true, allowed: []string{}, every: 7 * time.Second, path: chatPath,
			request: func(r *rand.Rand) record {
				return chat("gpt-4o", true, "You write release notes.", fmt.Sprintf("%s sim:tokens=%d", pick(r, changes()), 200+r.IntN(200)))
			},
		},
	}
}

func chat(model string, stream bool, system, said string) record {
	body := record{
		"model": model, "stream": stream, "max_tokens": 600,
		"messages": []record{{"role": "system", "content": system}, {"role": "user", "content": said}},
	}
	if stream {
		body["stream_options"] = record{"include_usage": true}
	}
	return body
}

// Run makes the agents' traffic through the edges until ctx is done. What the edges answer is theirs: refusals belong to the picture.
func Run(ctx context.Context, edges []string, seeded Seeded) {
	var agents sync.WaitGroup
	client := &http.Client{Timeout: time.Minute}
	for _, one := range cast() {
		key := seeded.Keys[one.name]
		if key == "" {
			continue
		}
		agents.Go(func() {
			random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) // varied, not secret
			for wait(ctx, time.Duration(float64(one.every)*(0.4+1.2*random.Float64()))) {
				ask(ctx, client, edges[random.IntN(len(edges))]+one.path, key, one.request(random))
			}
		})
	}
	agents.Wait()
}

// ask makes one call and reads the answer to its end.
func ask(ctx context.Context, client *http.Client, address, key string, body record) {
	raw, err := json.Marshal(body)
	if err != nil {
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Anthropic-Version", "2023-06-01") // only the Anthropic dialect looks at it
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return // an edge that is away is no reason to stop
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // a cut stream is the edge's to account for
}

func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func complaints() []string {
	return []string{
		"I was charged twice for my subscription this month and would like one of the payments back.",
		"The export button does nothing since yesterday. I use Firefox on Linux.",
		"How do I add a colleague to my team, and does that cost extra?",
		"My parcel was due on Monday. The tracking page says that it is still in Rotterdam.",
		"Please delete my account and everything that you keep about me.",
		"The invoice shows our old address. Can you send a corrected one before the end of the quarter?",
	}
}

func changes() []string {
	return []string{
		"diff: retry the upload with a longer pause after each failure, and give up after five.",
		"diff: keep the session for thirty days when the box was ticked; the cookie stays as strict as it was.",
		"diff: read the price list once at the start instead of at every request, with a test that counts the reads.",
		"diff: rename the column total to total_cents everywhere, and convert what is stored.",
		"diff: show the empty state of the table also while a filter hides every row.",
	}
}
