// Package seal keeps secrets: in memory as a type that never shows itself, in the database under envelope encryption with a data key
// per organization. It refuses to hand out a key, and to open a secret anywhere but at the place for which it was sealed.
package seal

import (
	"fmt"
	"log/slog"
)

// Redacted is what a secret shows of itself.
const Redacted = "[redacted]"

// Secret is a text that only Reveal shows. The text is behind a pointer because fmt walks into unexported fields without asking
// their methods. The zero value is no secret.
type Secret struct{ text *string }

// NewSecret takes a text into keeping; an empty text is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text. Whoever calls it answers for where the text goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// String hides the text.
func (Secret) String() string { return Redacted }

// GoString hides the text.
func (Secret) GoString() string { return Redacted }

// Format hides the text from every verb of fmt.
func (Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(Redacted)) }

// LogValue hides the text from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText hides the text from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON hides the text from JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// UnmarshalText takes the text that somebody sends in.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
