package component

import "context"

type staticKey struct{}

// WithStatic returns a context in which icons are found under the prefix of this build's static files.
func WithStatic(ctx context.Context, prefix string) context.Context {
	return context.WithValue(ctx, staticKey{}, prefix)
}

// Sprite returns the URL of the icons.
func Sprite(ctx context.Context) string {
	prefix, _ := ctx.Value(staticKey{}).(string)
	return prefix + "/icons.svg"
}

func noticeIcon(tone Tone) string {
	switch tone {
	case OK:
		return "circle-check"
	case Warn:
		return "triangle-alert"
	case Bad:
		return "circle-alert"
	default:
		return "info"
	}
}
