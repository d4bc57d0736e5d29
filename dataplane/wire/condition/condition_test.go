package condition

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func language(t testing.TB) *Language {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func call() *Call {
	return &Call{
		Model: "fast", Key: "ci", Workspace: "Search", Agent: "crawler", EndUser: "u1", Run: "r", Dialect: "openai_chat", Labels: map[string]string{"team": "web"},
		PromptChars: 299, PromptTokens: 75, MaxOutputTokens: 64, Stream: true, BudgetLeftPercent: 12, At: time.Date(2026, 11, 29, 23, 5, 0, 0, time.UTC),
	}
}

func TestConditionsSeeTheCall(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]bool{
		`prompt_chars < 300`:                                true,
		`prompt_chars < 299`:                                false,
		`model == "fast" && key.startsWith("c")`:            true,
		`workspace == "Search" && agent == "crawler"`:       true,
		`labels.team == "web" && end_user in ["u1", "u2"]`:  true,
		`"other" in labels`:                                 false,
		`stream && !tools && dialect == "openai_chat"`:      true,
		`hour >= 22 || hour < 6`:                            true,
		`weekday == 7`:                                      true,
		`budget_left_percent < 20 && prompt_tokens <= 75`:   true,
		`max_output_tokens == 64 && run.matches("^[a-z]$")`: true,
	} {
		condition, err := l.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if holds, err := condition.Holds(call()); err != nil || holds != want {
			t.Errorf("%s: %v, %v", text, holds, err)
		}
	}
}

func TestACompileErrorNamesItsPlace(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]string{
		``:                                "line 1, column 1: the condition is empty",
		`prompt_chars <`:                  "line 1, column 15",
		`budget_left_usd > 1`:             "undeclared reference to 'budget_left_usd'; there are model, key,",
		`budget_left_percent > 50.0`:      "write the number without a decimal point",
		`prompt_chars < "300"`:            "line 1, column 14: found no matching overload",
		"stream &&\n nothing":             "line 2, column 2: undeclared reference to 'nothing'",
		`prompt_chars`:                    "of type int",
		`"` + strings.Repeat("x", 2000):   "at most 2000 bytes",
		strings.Repeat("(", 100) + `true`: "line 1",
		`key.matches("(")`:                "error parsing regexp",
	} {
		_, err := l.Compile(text)
		var wrong *Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %v", text, err)
		}
	}
}

func TestWhatCannotBeDecidedDoesNotHold(t *testing.T) {
	t.Parallel()
	l := language(t)
	big := call()
	big.Key = strings.Repeat("a", 200_000)
	for text, want := range map[string]string{
		`labels.missing == "x"`:                      "no such key",
		`prompt_chars / 0 == 1`:                      "division by zero",
		`key.contains("b") || key.matches("(a+)+b")`: "cost",
	} {
		condition, err := l.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if holds, err := condition.Holds(big); holds || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", text, holds, err)
		}
	}
}

func TestAConditionTellsWhatItLooksAt(t *testing.T) {
	t.Parallel()
	condition, err := language(t).Compile(`prompt_chars < 300 || labels.team == "web" || prompt_chars > 900`)
	if err != nil {
		t.Fatal(err)
	}
	if got := call().Say(condition.Asks); got != `labels = ["team":"web"], prompt_chars = 299` {
		t.Error(got)
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{`prompt_chars < 300`, `labels.exists(l, l == "x")`, `[1,2].map(x, x*2)[0] == 2`, `"\u00e9" == key`} {
		f.Add(text)
	}
	l := language(f)
	f.Fuzz(func(t *testing.T, text string) {
		condition, err := l.Compile(text)
		if err == nil {
			_, _ = condition.Holds(call())
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	l := language(b)
	for name, text := range map[string]string{"one": `prompt_chars < 300`, "five": `prompt_chars < 300 && stream && model == "fast" && labels.team == "web" && budget_left_percent < 50`} {
		b.Run(name, func(b *testing.B) {
			condition, err := l.Compile(text)
			if err != nil {
				b.Fatal(err)
			}
			c := call()
			b.ReportAllocs()
			for b.Loop() {
				if holds, _ := condition.Holds(c); !holds {
					b.Fatal("does not hold")
				}
			}
		})
	}
}
