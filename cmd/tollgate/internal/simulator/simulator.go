// Package simulator provides model providers that cost nothing: OpenAI's Chat Completions, Responses, Embeddings and Models (also as Azure has
// them), Anthropic's Messages and Models, Google's Gemini API and Vertex AI, Amazon Bedrock's Converse, Mistral's Chat Completions and Cohere's Chat, in their
// wire formats, streams included. What it answers and what it counts is a pure function of the request; what it "billed" stands in a ledger;
// it fails on request.
// It refuses to understand anything: its text has no sense.
package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Where the providers live below the simulator's address. They are the base URLs that a client is given.
const (
	OpenAIPath    = "/openai"
	AnthropicPath = "/anthropic"
	GeminiPath    = "/gemini"
	VertexPath    = "/vertex"
	BedrockPath   = "/bedrock"
	ChatOnlyPath  = "/chat-only" // speaks as OpenAI does and has Chat Completions alone
	AzurePath     = "/azure"
	MistralPath   = "/mistral"
	CoherePath    = "/cohere"
)

// Paths returns where the providers live.
func Paths() []string {
	return []string{OpenAIPath, AnthropicPath, GeminiPath, VertexPath, BedrockPath, AzurePath, MistralPath, CoherePath, ChatOnlyPath}
}

const bodyBytesMax = 1 << 30

// Latency says how long an honest answer takes.
type Latency struct {
	FirstByte time.Duration // until the first byte
	Between   time.Duration // from one event of a stream to the next
}

// ParseLatency reads "<first byte>[,<between events>]", as in "200ms,20ms". Empty means none.
func ParseLatency(text string) (Latency, error) {
	var latency Latency
	first, between, _ := strings.Cut(text, ",")
	for _, part := range []struct {
		text string
		into *time.Duration
	}{{first, &latency.FirstByte}, {between, &latency.Between}} {
		if part.text == "" {
			continue
		}
		parsed, err := time.ParseDuration(part.text)
		if err != nil || parsed < 0 {
			return Latency{}, fmt.Errorf("latency %q: want <first byte>[,<between events>], as in 200ms,20ms", text)
		}
		*part.into = parsed
	}
	return latency, nil
}

// Config is what a simulator needs.
type Config struct {
	Latency Latency
	Faults  []Fault          // in force from the start
	Ledger  io.Writer        // receives every entry as a line of JSON; nil keeps them in memory alone
	Now     func() time.Time // the clock of ledger and answers
	Record  int              // how many of the last requests are kept at /requests
}

// Simulator answers as the providers would.
type Simulator struct {
	latency  Latency
	now      func() time.Time
	ledger   *ledger
	faults   faults
	recorder recorder
	shelf    shelf
	cabinet  cabinet

	messageBatches messageBatches
	papers         drawer
	pictures       drawer
}

// New returns a simulator.
func New(config Config) *Simulator {
	s := &Simulator{latency: config.Latency, now: config.Now, ledger: newLedger(config.Ledger), recorder: recorder{most: config.Record}}
	for _, fault := range config.Faults {
		s.faults.add(fault)
	}
	return s
}

// Handler returns the HTTP side: the providers, /ledger, /faults and /healthz.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	openai, anthropic := openaiAPI{s, "openai", bearer}, anthropicAPI{s, "anthropic"}
	mux.HandleFunc("POST "+OpenAIPath+"/v1/chat/completions", openai.chat)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/responses", openai.responses)
	mux.HandleFunc("GET "+OpenAIPath+"/v1/realtime", openai.realtime)
	openai.filesAt(mux, OpenAIPath+"/v1", undated)
	openai.storedAt(mux, OpenAIPath+"/v1/responses", undated)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/embeddings", openai.embeddings)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/images/generations", openai.images)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/images/edits", openai.imageEdits)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/audio/speech", openai.speech)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/audio/transcriptions", openai.transcribe)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/audio/translations", openai.transcribe)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/moderations", openai.moderations)
	mux.HandleFunc("POST "+OpenAIPath+"/v1/rerank", openai.rerank)
	mux.HandleFunc("GET "+OpenAIPath+"/v1/models", openai.models)
	mux.HandleFunc("GET "+OpenAIPath+"/v1/models/{model}", openai.model)
	mux.HandleFunc(OpenAIPath+"/", openai.unknown)
	mux.HandleFunc("POST "+ChatOnlyPath+"/v1/chat/completions", openai.chat)
	mux.HandleFunc(ChatOnlyPath+"/", openai.unknown)
	mux.HandleFunc("POST "+AnthropicPath+"/v1/messages", anthropic.messages)
	mux.HandleFunc("POST "+AnthropicPath+"/v1/messages/count_tokens", anthropic.countTokens)
	anthropic.filesAt(mux, AnthropicPath+"/v1/files")
	anthropic.messagesAt(mux, AnthropicPath+"/v1/messages/batches")
	mux.HandleFunc("GET "+AnthropicPath+"/v1/models", anthropic.models)
	mux.HandleFunc(AnthropicPath+"/", func(w http.ResponseWriter, r *http.Request) {
		anthropic.refuse(w, http.StatusNotFound, "Not found: "+r.URL.Path)
	})
	gemini := geminiAPI{s, "gemini", googleKey}
	mux.HandleFunc("POST "+GeminiPath+"/v1beta/models/{model}", gemini.serve)
	mux.HandleFunc("GET "+GeminiPath+"/v1beta/models", gemini.models)
	gemini.filesAt(mux, GeminiPath)
	mux.HandleFunc(GeminiPath+"/", func(w http.ResponseWriter, r *http.Request) {
		gemini.refuse(w, http.StatusNotFound, "Not found: "+r.URL.Path)
	})
	bedrock := bedrockAPI{s}
	mux.HandleFunc("POST "+BedrockPath+"/model/{model}/converse", bedrock.serve)
	mux.HandleFunc("POST "+BedrockPath+"/model/{model}/converse-stream", bedrock.serve)
	mux.HandleFunc("POST "+BedrockPath+"/model/{model}/invoke", bedrock.invoke)
	mux.HandleFunc("POST "+BedrockPath+"/sts", s.assume)
	mux.HandleFunc(BedrockPath+"/", func(w http.ResponseWriter, _ *http.Request) {
		bedrock.refuse(w, http.StatusNotFound, "UnknownOperationException")
	})
	s.azure(mux)
	s.vertex(mux)
	mux.HandleFunc("POST "+MistralPath+"/v1/chat/completions", mistralAPI{s}.chat)
	mux.HandleFunc("POST "+MistralPath+"/v1/embeddings", mistralAPI{s}.embeddings)
	mux.HandleFunc("POST "+CoherePath+"/v2/chat", cohereAPI{s}.chat)
	mux.HandleFunc("POST "+CoherePath+"/v2/embed", cohereAPI{s}.embed)
	mux.HandleFunc("GET /ledger", s.ledger.serve)
	mux.HandleFunc("DELETE /ledger", s.ledger.clear)
	mux.HandleFunc("GET /requests", s.recorder.serve)
	mux.HandleFunc("GET /faults", s.faults.list)
	mux.HandleFunc("POST /faults", s.faults.post)
	mux.HandleFunc("DELETE /faults", s.faults.clear)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return s.recorder.wrap(mux)
}

// id returns a new identifier in a provider's manner: another one after a restart, too.
func (s *Simulator) id(prefix string) string {
	return fmt.Sprintf("%s%016x%08x", prefix, rand.Uint64(), rand.Uint32())
}

// wrongKey is a key that providers refuse: every other key that is not empty is welcome.
const wrongKey = "wrong"

func keyRefused(key string) bool { return key == "" || strings.Contains(key, wrongKey) }

// missingModel begins the names of models that do not exist: every other name does.
const missingModel = "missing"

// decode reads a request's body.
func decode(r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, bodyBytesMax))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// strictly decodes a body that may have no other fields than those, so that nothing is said that a provider does not know, and says what is
// wrong with it.
func strictly(raw []byte, into any) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err.Error()
	}
	return ""
}

// readStrictly reads such a body, and says with which status what is wrong with it is told.
func readStrictly(w http.ResponseWriter, r *http.Request, into any) (status int, problem string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusUnprocessableEntity, strictly(body, into)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil { // our own types: cannot happen
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
