// Package aws speaks what Amazon's services have in common: it signs requests (Signature Version 4), assumes roles and splits event streams.
// It refuses to find credentials in the machine's surroundings: what it signs with, an organization has given to its provider.
package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"tollgate.dev/dataplane/wire"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	stampStyle = "20060102T150405Z"
)

// Request is what is signed of a POST.
type Request struct {
	Region, Service string
	Host            string // as in the header field
	Path            string // as in the request line, escaped
	ContentType     string
	Body            [][]byte
}

// Signature is the header fields that sign a request.
type Signature struct {
	Authorization string
	Date          string // X-Amz-Date
	Token         string // X-Amz-Security-Token; empty: none
}

// Sign signs a request (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
func Sign(key *wire.AWSKey, r *Request, now time.Time) Signature {
	stamp := now.UTC().Format(stampStyle)
	scope := stamp[:8] + "/" + r.Region + "/" + r.Service + "/aws4_request"
	canonical, names := r.canonical(stamp, key.SessionToken)
	sum := sha256.Sum256(canonical)
	text := algorithm + "\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	secret := []byte("AWS4" + key.SecretAccessKey)
	for _, part := range []string{stamp[:8], r.Region, r.Service, "aws4_request", text} {
		secret = sign(secret, part)
	}
	return Signature{
		Authorization: algorithm + " Credential=" + key.AccessKeyID + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + hex.EncodeToString(secret),
		Date:          stamp, Token: key.SessionToken,
	}
}

func sign(secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// canonical returns the request as both sides write it before they compare signatures, and the names of the fields in it.
func (r *Request) canonical(stamp, token string) (text []byte, names string) {
	body := sha256.New()
	for _, piece := range r.Body {
		body.Write(piece)
	}
	text = append(make([]byte, 0, 512+len(token)), "POST\n"...)
	text = append(appendEscaped(text, r.Path, true), "\n\n"...) // what the path has of escapes is escaped once more
	text = append(append(append(text, "content-type:"...), r.ContentType...), "\nhost:"...)
	text = append(append(append(text, r.Host...), "\nx-amz-date:"...), stamp...)
	names = "content-type;host;x-amz-date"
	if token != "" {
		text = append(append(text, "\nx-amz-security-token:"...), token...)
		names += ";x-amz-security-token"
	}
	text = append(append(append(text, "\n\n"...), names...), '\n')
	return hex.AppendEncode(text, body.Sum(nil)), names
}

// appendEscaped escapes what RFC 3986 does not call unreserved.
func appendEscaped(dst []byte, text string, slash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 || slash && c == '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// InvokePath returns the path of Bedrock's InvokeModel, which takes a model's own format.
func InvokePath(model string) string {
	return string(append(appendEscaped(append(make([]byte, 0, 64+len(model)), "/model/"...), model, false), "/invoke"...))
}

// ConversePath returns the path of Bedrock's Converse for a model: its id, or the ARN of an inference profile, an imported or a provisioned model.
func ConversePath(model string, stream bool) string {
	path := appendEscaped(append(make([]byte, 0, 64+len(model)), "/model/"...), model, false)
	path = append(path, "/converse"...)
	if stream {
		path = append(path, "-stream"...)
	}
	return string(path)
}
