package pipeline

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	labelsMax     = 32
	labelNameMax  = 64 // bytes
	labelValueMax = wire.TextBytesMax
	endUserMax    = 256 // bytes
	labelPrefix   = "X-Tollgate-Label-"
	timeoutField  = "X-Tollgate-Timeout-Ms"
)

// readHeaders reads the run, the end user and the labels that the caller sends as header fields.
func (c *call) readHeaders() *refusal.Error {
	header := c.r.Header
	if problem := c.readRun(); problem != nil {
		return problem
	}
	if text := first(header, timeoutField); text != "" {
		ms, err := strconv.ParseUint(text, 10, 32)
		if err != nil || ms == 0 {
			return badHeader("x-tollgate-timeout-ms must be a whole number of milliseconds above 0: how long the call may take over all tries.")
		}
		c.timeout = time.Duration(ms) * time.Millisecond
	}
	if user := first(header, "X-Tollgate-User"); user != "" {
		c.endUser = cleaned(user, endUserMax)
	}
	for name, values := range header {
		if label, ok := strings.CutPrefix(name, labelPrefix); ok && len(values) > 0 {
			if problem := c.label(strings.ToLower(label), values[0]); problem != nil {
				return problem
			}
		}
	}
	return nil
}

// readBodyLabels reads the labels and the end user that stand in the body. What the header fields say goes first.
func (c *call) readBodyLabels() (problem *refusal.Error) {
	if c.endUser == "" && len(c.ask.EndUser) > 0 {
		user, _ := claudeUser(c.ask.EndUser)
		c.endUser = cleaned(user, endUserMax)
	}
	if !c.scan.Has(c.body.B, scan.Metadata) {
		return nil
	}
	scan.Each(c.scan.Bytes(c.body.B, scan.Metadata), func(key, value []byte) {
		if problem != nil || c.dialect == dialect.AnthropicMessages && string(key) == "user_id" || value[0] == '{' || value[0] == '[' || value[0] == 'n' {
			return
		}
		if value[0] == '"' {
			value = value[1 : len(value)-1]
		}
		name := string(scan.Unescape(nil, key))
		if _, taken := c.labels[name]; !taken {
			problem = c.label(name, string(scan.Unescape(nil, value)))
		}
	})
	return problem
}

func (c *call) label(name, value string) *refusal.Error {
	name, value = labelText(name), labelText(value)
	if name == "" || len(name) > labelNameMax || len(value) > labelValueMax || len(c.labels) >= labelsMax {
		return badHeader(fmt.Sprintf("At most %d labels are kept, with names of up to %d and values of up to %d bytes.", labelsMax, labelNameMax, labelValueMax))
	}
	if c.labels == nil {
		c.labels = make(map[string]string, 4)
	}
	c.labels[name] = value
	return nil
}

// labelText returns a text with a mark in the place of what the books do not take.
func labelText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// flag notes the guardrail that only flags.
func (c *call) flag(g *state.Guardrail) {
	if c.labels == nil {
		c.labels = make(map[string]string, 1)
	}
	c.labels["tollgate_flagged"] = g.Name
}

func badHeader(message string) *refusal.Error {
	return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, message)
}

func first(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// traceID returns the trace id of a traceparent (https://www.w3.org/TR/trace-context/), or nothing when it is not valid.
func traceID(parent string) string {
	if len(parent) < 55 || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' || parent[:2] == "ff" {
		return ""
	}
	zero := true
	for i := range 55 {
		if i == 2 || i == 35 || i == 52 {
			continue
		}
		c := parent[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
		zero = zero && (i < 3 || i > 34 || c == '0')
	}
	if zero {
		return ""
	}
	return parent[3:35]
}

func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// cleaned returns so much of a text as the books take: no bytes that are no UTF-8, and no zero, which databases do not keep.
func cleaned(text string, bytesMax int) string {
	text = strings.ToValidUTF8(text[:min(len(text), bytesMax)], "")
	return strings.ReplaceAll(text, "\x00", "")
}

func appendTooLarge(dst []byte, limit int) []byte {
	dst = append(dst, "The body is longer than this edge accepts: at most "...)
	dst = strconv.AppendInt(dst, int64(limit), 10)
	return append(dst, " bytes."...)
}
