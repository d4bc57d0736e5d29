package pipeline

import (
	"bytes"
	"encoding/binary"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// form returns a form and its content type. A value that begins with @ is a file.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i+1 < len(fields); i += 2 {
		create := func() (io.Writer, error) { return w.CreateFormField(fields[i]) }
		value, file := strings.CutPrefix(fields[i+1], "@")
		if file {
			create = func() (io.Writer, error) { return w.CreateFormFile(fields[i], "file.bin") }
		}
		into, err := create()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(into, value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

// wave is a second of silence: PCM, mono, 8,000 samples of a byte.
func wave() string {
	head := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), 0x40, 0x1f, 0, 0)
	head = binary.LittleEndian.AppendUint32(head, 8000)
	head = append(head, 1, 0, 8, 0)
	head = append(head, "data\x00\x00\x00\x00"...)
	return string(head) + strings.Repeat("\x80", 8000-len(head))
}

// done is one task that is answered.
type done struct {
	path, body, contentType   string
	answer, answerType        string
	price                     state.Price
	images, chars, ms, search int64
	cost                      int64
	estimated                 bool
}

func tasks(t *testing.T) map[string]done {
	t.Helper()
	sound, soundType := form(t, "model", "fast", "file", "@"+wave(), "prompt", "names")
	srt, srtType := form(t, "model", "fast", "file", "@"+strings.Repeat("m", 40_000), "response_format", "srt")
	edit, editType := form(t, "prompt", "a cat", "image[]", "@png", "image[]", "@png", "model", "fast", "size", "1024x1792", "quality", "hd")
	return map[string]done{
		"images by the piece": {
			path: "/v1/images/generations", body: `{"model":"fast","prompt":"a cat","n":2}`, answer: `{"data":[{"url":"a"},{"url":"b"}]}`,
			price: state.Price{ImagePico: 40}, images: 2, cost: 80,
		},
		"images by their size": {
			path: "/v1/images/edits", body: edit, contentType: editType, answer: `{"data":[{"b64_json":"x"}]}`,
			price: state.Price{ImagePico: 40, Services: []*state.Price{{Service: "hd 1024x1792", ImagePico: 120}}}, images: 1, cost: 120,
		},
		"images by tokens": {
			path: "/v1/images/generations", body: `{"model":"fast","prompt":"a cat"}`,
			answer: `{"data":[{"b64_json":"x"}],"usage":{"input_tokens":5,"input_tokens_details":{"text_tokens":5,"image_tokens":0},"output_tokens":1000}}`,
			price:  state.Price{InputPico: 5, OutputPico: 30, ImageInputPico: 5, ImageOutputPico: 30}, images: 1, cost: 25 + 30_000,
		},
		"speech": {
			path: "/v1/audio/speech", body: `{"model":"fast","voice":"alloy","input":"h\u00e9llo"}`, answer: "\x00\x01sound", answerType: "audio/mpeg",
			price: state.Price{CharacterPico: 15}, chars: 5, cost: 75,
		},
		"speech without a price by the character": {
			path: "/v1/audio/speech", body: `{"model":"fast","voice":"alloy","input":"hello"}`, answer: "\x00\x01sound", answerType: "audio/mpeg",
			price: state.Price{InputPico: 1, OutputPico: 12}, chars: 5, cost: (5 + 64) + 20*12, estimated: true,
		},
		"a transcript that says how long": {
			path: "/v1/audio/transcriptions", body: sound, contentType: soundType, answer: `{"text":"hello","usage":{"type":"duration","seconds":0.75}}`,
			price: state.Price{AudioSecondPico: 100}, ms: 750, cost: 75,
		},
		"a transcript that does not, of a file that does": {
			path: "/v1/audio/translations", body: sound, contentType: soundType, answer: `{"text":"hello"}`,
			price: state.Price{AudioSecondPico: 100}, ms: 1001, cost: 101, estimated: true,
		},
		"a transcript in tokens": {
			path: "/v1/audio/transcriptions", body: sound, contentType: soundType,
			answer: `{"text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":3}}`,
			price:  state.Price{InputPico: 2, AudioInputPico: 6, OutputPico: 10}, cost: 14*6 + 30,
		},
		"subtitles": {
			path: "/v1/audio/transcriptions", body: srt, contentType: srtType, answer: "1\n00:00:00,000 --> 00:00:02,500\nhello\n", answerType: "text/plain; charset=utf-8",
			price: state.Price{AudioSecondPico: 100}, ms: 2500, cost: 250, estimated: true,
		},
		"moderations, free without any price": {
			path: "/v1/moderations", body: `{"model":"fast","input":"hello"}`, answer: `{"results":[{"flagged":false}]}`,
		},
		"searches": {
			path: "/v1/rerank", body: `{"model":"fast","query":"q","documents":["a","b"]}`, answer: `{"results":[],"meta":{"billed_units":{"search_units":1}}}`,
			price: state.Price{SearchPico: 2000}, search: 1, cost: 2000,
		},
		"reranking by tokens": {
			path: "/v1/rerank", body: `{"model":"fast","query":"q","documents":["a","b"]}`, answer: `{"results":[],"usage":{"total_tokens":12}}`,
			price: state.Price{InputPico: 3}, search: 1, cost: 36,
		},
	}
}

func TestTasksAreBilledByTheirUnits(t *testing.T) {
	t.Parallel()
	for name, c := range tasks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, gotType, gotPath string
			g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				got, gotType, gotPath = string(raw), r.Header.Get("Content-Type"), r.URL.Path
				kind := c.answerType
				if kind == "" {
					kind = "application/json"
				}
				answering(kind, c.answer)(w, r)
			}))
			price := c.price
			price.ID = wire.ID{8}
			g.key.Routes["fast"].Targets[0].Prices = wire.Schedule{{Tariff: &price}}
			if c.cost == 0 {
				g.key.Routes["fast"].Targets[0].Prices = nil
			}
			contentType := c.contentType
			if contentType == "" {
				contentType = "application/json"
			}
			s := g.ask(c.path, c.body, "Content-Type", contentType)
			if s.status != http.StatusOK || s.body != c.answer {
				t.Fatalf("%+v", s)
			}
			if want := strings.Replace(c.body, "fast", "fast-2", 1); got != want || gotType != contentType || gotPath != c.path {
				t.Errorf("the provider got %s %s %q", gotPath, gotType, got[:min(len(got), 300)])
			}
			e := g.event()
			if e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetImages() != c.images || e.GetCharacters() != c.chars || e.GetAudioMs() != c.ms || e.GetSearches() != c.search || e.GetCostPico() != c.cost || e.GetEstimated() != c.estimated || e.GetBoundPico() < c.cost {
				t.Errorf("event %v", e)
			}
			g.balanced()
		})
	}
}

func TestTasksAreRefusedLikeEverythingElse(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	guarded := func(g *rig) { g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}} }
	foreign := func(g *rig) {
		g.key.Routes["fast"].Targets[0].Provider.Kind = wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
	}
	spoken, spokenType := form(t, "model", "fast", "file", "@x", "prompt", "a falcon")
	twice, twiceType := form(t, "model", "fast", "file", "@x", "model", "slow")
	none, noneType := form(t, "model", "fast")
	for name, c := range map[string]struct {
		change      func(*rig)
		path, body  string
		contentType string
		status      int
		code, param string
	}{
		"over the budget":            {func(g *rig) { g.purse.limit = 10 }, "/v1/images/generations", `{"model":"fast","prompt":"x"}`, "", 402, wire.CodeBudgetExhausted, ""},
		"too many images":            {nil, "/v1/images/generations", `{"model":"fast","prompt":"x","n":11}`, "", 400, wire.CodeInvalidRequest, "n"},
		"a stream":                   {nil, "/v1/audio/speech", `{"model":"fast","input":"x","stream":true}`, "", 400, wire.CodeInvalidRequest, "stream"},
		"a quality twice":            {nil, "/v1/images/generations", `{"model":"fast","quality":"hd","qual\u0069ty":"low"}`, "", 400, wire.CodeInvalidRequest, "quality"},
		"a word in a prompt":         {guarded, "/v1/images/generations", `{"model":"fast","prompt":"a falcon"}`, "", 400, wire.CodeGuardrailBlocked, ""},
		"a word in a query":          {guarded, "/v1/rerank", `{"model":"fast","query":"a falcon","documents":["x"]}`, "", 400, wire.CodeGuardrailBlocked, ""},
		"a word in a form":           {guarded, "/v1/audio/transcriptions", spoken, spokenType, 400, wire.CodeGuardrailBlocked, ""},
		"a model twice":              {nil, "/v1/audio/transcriptions", twice, twiceType, 400, wire.CodeInvalidRequest, "model"},
		"a form without its file":    {nil, "/v1/audio/transcriptions", none, noneType, 400, wire.CodeInvalidRequest, "file"},
		"no form":                    {nil, "/v1/audio/transcriptions", `{"model":"fast"}`, "", 415, wire.CodeUnsupportedFormat, ""},
		"no documents":               {nil, "/v1/rerank", `{"model":"fast","query":"x"}`, "", 400, wire.CodeInvalidRequest, "documents"},
		"a model that is not known":  {nil, "/v1/images/generations", `{"model":"slow","prompt":"x"}`, "", 404, wire.CodeModelNotFound, "model"},
		"a model without a price":    {func(g *rig) { g.key.Routes["fast"].Targets[0].Prices = nil }, "/v1/images/generations", `{"model":"fast","prompt":"x"}`, "", 400, wire.CodePriceUnknown, "model"},
		"a provider that has it not": {foreign, "/v1/rerank", `{"model":"fast","query":"x","documents":["x"]}`, "", 400, wire.CodeDialectMismatch, "model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider is called") }))
			if c.change != nil {
				c.change(g)
			}
			kind := c.contentType
			if kind == "" {
				kind = "application/json"
			}
			s := g.ask(c.path, c.body, "Content-Type", kind)
			if s.status != c.status || !strings.Contains(s.body, `"code":"`+c.code+`"`) || c.param != "" && !strings.Contains(s.body, `"param":"`+c.param+`"`) {
				t.Errorf("%d %s", s.status, s.body)
			}
			if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || e.GetCode() != c.code {
				t.Errorf("event %v", e)
			}
			g.balanced()
		})
	}
}

func TestAnAnswerWithForbiddenWordsDoesNotLeaveAsSubtitles(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, openAI(t, answering("text/plain", "1\n00:00:00,000 --> 00:00:02,500\na falcon\n")))
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
	body, kind := form(t, "model", "fast", "file", "@"+wave(), "response_format", "srt")
	if s := g.ask("/v1/audio/transcriptions", body, "Content-Type", kind); s.status != http.StatusBadRequest || strings.Contains(s.body, "falcon") {
		t.Errorf("%+v", s)
	}
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || !e.GetWaste() {
		t.Errorf("event %v", e)
	}
	g.balanced()
}
