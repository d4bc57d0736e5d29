package translate

import (
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
)

// ReadAny reads what can be known of a body at a path that is no dialect's: the model, whether a stream is asked for, and limits under any of
// their names.
func ReadAny(d dialect.Dialect, body []byte, r *scan.Result) (Ask, *refusal.Error) {
	reader := reader{body: body, r: r}
	ask := Ask{Dialect: d, Choices: 1, Model: reader.text(scan.Model), Stream: reader.flag(scan.Stream), Tools: r.Has(body, scan.Tools)}
	for _, field := range [...]scan.Field{scan.MaxTokens, scan.MaxCompletionTokens, scan.MaxOutputTokens} {
		if n, given, err := r.Int(body, field); err == nil && given {
			ask.MaxOutput = max(ask.MaxOutput, n)
		}
	}
	if n, given, err := r.Int(body, scan.N); err == nil && given {
		ask.Choices = min(max(n, 1), choicesMax)
	}
	ask.Unbounded = r.Media > 0 || r.Has(body, scan.PreviousResponseID) || r.Has(body, scan.Conversation)
	return ask, reader.problem
}

// Known returns the dialect that a provider speaks at a path; None: the path is no dialect's, or not the provider's.
func Known(path string, speaks func(dialect.Dialect) bool) dialect.Dialect {
	for d := dialect.None + 1; int(d) < dialect.Count; d++ {
		if d.Path() == path && speaks(d) {
			return d
		}
	}
	return dialect.None
}
