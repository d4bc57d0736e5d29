package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func texts(body string, r *Result) []string {
	var out []string
	for _, v := range r.Texts {
		out = append(out, body[v.Start:v.End])
	}
	return out
}

func TestScanFindsTheFieldsThatDecide(t *testing.T) {
	t.Parallel()
	body := ` {"mod\u0065l" : "gpt", "stream":true,"max_tokens": 12 ,"messages":[{"role":"user","content":"hi \"x\""}],"n":null}` + "\n"
	var r Result
	if err := r.Scan([]byte(body)); err != nil {
		t.Fatal(err)
	}
	model, _ := r.Text([]byte(body), Model)
	stream, _ := r.Bool([]byte(body), Stream)
	tokens, ok, _ := r.Int([]byte(body), MaxTokens)
	if string(model) != "gpt" || !stream || tokens != 12 || !ok || r.Has([]byte(body), N) || r.Has([]byte(body), User) {
		t.Errorf("model %q stream %v max_tokens %d", model, stream, tokens)
	}
	if got := texts(body, &r); len(got) != 1 || got[0] != `hi \"x\"` {
		t.Errorf("texts %q", got)
	}
}

func TestScanRefusesWhatTwoReadersCouldTakeDifferently(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"a","model":"b"}`:            "stands twice at byte 13",
		`{"model":"a","mod\u0065l":"b"}`:       "stands twice at byte 13",
		`{"model":"a","Model":"b"}`:            "exactly as model at byte 13",
		"{\n \"\\u017ftream\":true}":           "exactly as stream at byte 3 (line 2, column 2)",
		`{"ſtream":true}`:                      "exactly as stream at byte 1",
		`{"max_toKens":1}`:                     "exactly as max_tokens at byte 1",
		`{"MESSAGES":[]}`:                      "exactly as messages",
		`{"model":"a"} {"model":"b"}`:          "something follows",
		`{"model":"a",}`:                       "a key in quotes is missing at byte 13",
		`{"model":"a"`:                         "ends too early",
		`[1]`:                                  "not a JSON object",
		``:                                     "not a JSON object",
		"{\"a\":\"\xff\"}":                     "not valid UTF-8 at byte 6",
		"{\"a\":\"\xed\xa0\x80\"}":             "not valid UTF-8",
		"{\"a\":\"x\ny\"}":                     "control character",
		`{"a":01}`:                             "a comma or } is missing",
		`{"a":1.}`:                             "not a JSON number",
		`{"a":"\x"}`:                           "not a JSON escape",
		`{"a":tru}`:                            "not a JSON value",
		"\xef\xbb\xbf{}":                       "not a JSON object",
		`{"a":` + strings.Repeat("[", 100_000): "nest too deep",
	} {
		var r Result
		err := r.Scan([]byte(body))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: err = %v, want %q", body, err, want)
		}
	}
}

func TestScanFindsEveryTextThatAModelReads(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","metadata":{"a":"not"},"system":[{"type":"text","text":"one"}],"messages":[
	{"role":"user","content":"two"},
	{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"three","arguments":"{\"q\":\"four\"}"}}]},
	{"role":"tool","tool_call_id":"x","content":"five"},
	{"role":"user","content":[{"type":"text","text":"six"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("QUJD", 100) + `"}},
	{"type":"tool_result","tool_use_id":"y","content":[{"type":"text","text":"seven"}]},
	{"type":"document","source":{"type":"text","media_type":"text/plain","data":"eight nine"}},
	{"type":"tool_use","id":"z","name":"ten","input":{"q":"eleven","deep":["twelve"]}}]}],
	"input":"thirteen","instructions":"fourteen","tools":[{"type":"function","function":{"description":"fifteen"}}],"reasoning":{"effort":"high"}}`
	var r Result
	if err := r.Scan([]byte(body)); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(texts(body, &r), "|")
	want := `one|two|three|{\"q\":\"four\"}|five|six|seven|eight nine|ten|eleven|twelve|thirteen|fourteen|fifteen`
	if got != want || r.Media != 2 {
		t.Errorf("got  %s (%d media)\nwant %s", got, r.Media, want)
	}
}

func TestWrongTypesNameTheirPlace(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":1,"stream":"yes","max_tokens":1.5,"n":-1,"max_output_tokens":9999999999999999999}`)
	var r Result
	if err := r.Scan(body); err != nil {
		t.Fatal(err)
	}
	_, model := r.Text(body, Model)
	_, stream := r.Bool(body, Stream)
	_, _, tokens := r.Int(body, MaxTokens)
	_, _, n := r.Int(body, N)
	_, _, huge := r.Int(body, MaxOutputTokens)
	for field, err := range map[Field]*Error{Model: model, Stream: stream, MaxTokens: tokens, N: n, MaxOutputTokens: huge} {
		if err == nil || err.Field != field.String() || err.Offset != r.Fields[field].Start {
			t.Errorf("%s: %+v", field, err)
		}
	}
}

func TestSpliceChangesNothingElse(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"a","x":1}`)
	var r Result
	if err := r.Scan(body); err != nil {
		t.Fatal(err)
	}
	v := r.Fields[Model]
	got := Splice(nil, body, []Edit{{r.Open, r.Open, []byte(`"n":2,`)}, {v.Start, v.End, []byte(`"long name"`)}})
	if string(got) != `{"n":2,"model":"long name","x":1}` {
		t.Errorf("got %s", got)
	}
}

func TestScanDoesNotAllocateOnceWarm(t *testing.T) {
	body := chat(50 << 10)
	var r Result
	if err := r.Scan(body); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(20, func() { _ = r.Scan(body) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// chat makes a chat request of about the size, in the key order of OpenAI's Python SDK.
func chat(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"messages":[{"role":"system","content":"You are a careful assistant."}`)
	for b.Len() < size-200 {
		fmt.Fprintf(&b, `,{"role":"user","content":%q}`, strings.Repeat("The quick brown fox jumps over the lazy dog.\n", min(20, 1+(size-b.Len())/60)))
	}
	b.WriteString(`],"model":"gpt-4o-mini","max_tokens":256,"metadata":{"team":"search"},"stream":true,"temperature":0.7}`)
	return []byte(b.String())
}

// TestAStringEndsWhereItsFirstSpecialByteIs puts every special byte at every place of texts that are looked at in words, in blocks and byte
// by byte.
func TestAStringEndsWhereItsFirstSpecialByteIs(t *testing.T) {
	for _, special := range []byte{'"', '\\', 0, 0x1f, 0x80, 0xff} {
		for length := range 260 {
			text := bytes.Repeat([]byte{'~', ' ', '!', '#', ']', '[', 0x7f}, 40)[:length]
			if got := plain(text, 0); got != length {
				t.Fatalf("%d plain bytes end at %d", length, got)
			}
			for at := range length {
				kept := text[at]
				text[at] = special
				for _, from := range []int{0, at / 2, at} {
					if got := plain(text, from); got != at {
						t.Fatalf("%#x at %d of %d: found at %d from %d on", special, at, length, got, from)
					}
				}
				text[at] = kept
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10, 500 << 10} {
		body := chat(size)
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			var r Result
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Scan(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"model":"a","messages":[{"role":"user","content":"\u00e9\ud83d\ude00 é"}]}`, `{"a":[1,-0,1e5,1.5E-7,true,false,null,""]}`, `{"a":1}x`,
		`{"a":"\ud800"}`, "{\"a\":\"\x7f\"}", `{"":{}}`, "\t{\r\n}\n ", `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":"` + strings.Repeat("x", 20) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Result
		err := r.Scan(body)
		valid := json.Valid(body) && strings.HasPrefix(strings.TrimLeft(string(body), " \t\r\n"), "{")
		strict := err != nil && (err.Field != "" || strings.Contains(err.Reason, "UTF-8") || strings.Contains(err.Reason, "too deep"))
		if valid != (err == nil) && !(valid && strict) {
			t.Fatalf("encoding/json says %v, the scanner %v", valid, err)
		}
		if err == nil {
			for field := range fieldCount {
				if raw := r.Bytes(body, field); raw != nil && !Valid(raw) {
					t.Fatalf("%s is %q", field, raw)
				}
			}
			for _, v := range r.Texts {
				var text string
				if json.Unmarshal([]byte(`"`+string(body[v.Start:v.End])+`"`), &text) != nil {
					t.Fatalf("text span %q", body[v.Start:v.End])
				}
				if got := string(Unescape(nil, body[v.Start:v.End])); got != text {
					t.Fatalf("Unescape gives %q, encoding/json %q", got, text)
				}
			}
		}
	})
}
