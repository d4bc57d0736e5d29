package pipeline

import (
	"bytes"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

const (
	runIDMax = 128 // bytes
	runField = "X-Tollgate-Run-Id"
)

var sessionMark = []byte("session_")

// sessionFields are the header fields in which coding agents name their session: Claude Code, Codex, Codex before 0.100, and OpenCode.
var sessionFields = [...]string{"X-Claude-Code-Session-Id", "Session-Id", "Session_id", "X-Session-Id"}

// readRun names the run as the caller does in header fields: by its trace, by a name, by its session. Else the call is a run of its own.
func (c *call) readRun() *refusal.Error {
	c.runID, c.runSource = c.requestText, wire.RunSource_RUN_SOURCE_CALL
	if trace := traceID(first(c.r.Header, "Traceparent")); trace != "" {
		c.runID, c.runSource = trace, wire.RunSource_RUN_SOURCE_TRACE
		return nil
	}
	if run := first(c.r.Header, runField); run != "" {
		if len(run) > runIDMax || !visible(run) {
			return badHeader("x-tollgate-run-id must be at most 128 visible ASCII characters.")
		}
		c.runID, c.runSource = run, wire.RunSource_RUN_SOURCE_HEADER
		return nil
	}
	for _, name := range sessionFields {
		if c.joinSession(first(c.r.Header, name)) {
			return nil
		}
	}
	return nil
}

func (c *call) joinSession(id string) bool {
	if id == "" || len(id) > runIDMax || !visible(id) {
		return false
	}
	c.runID, c.runSource = id, wire.RunSource_RUN_SOURCE_SESSION
	return true
}

// inferRun names the run by what the body says of the work that it goes on with, where the header fields say nothing: the conversation or
// session, else the first call of a tool in what was said so far. That call stands first in every later turn too, and is what settle names
// the turn by that made it, so that any edge finds the same run and none must remember it. What a provider keeps of it says it in its id.
func (c *call) inferRun() {
	if c.runSource != wire.RunSource_RUN_SOURCE_CALL || c.joinSession(c.session()) || !c.ask.Tools {
		return
	}
	for _, field := range [...]scan.Field{scan.Messages, scan.Input, scan.Contents} {
		if c.joinTool(toolIn(c.dialect, c.scan.Bytes(c.body.B, field))) {
			return
		}
	}
}

// session returns the conversation or session that the body names.
func (c *call) session() string {
	switch c.dialect {
	case dialect.OpenAIResponses:
		raw := c.scan.Bytes(c.body.B, scan.Conversation)
		if len(raw) > 0 && raw[0] == '{' {
			raw = scan.Lookup(raw, "id")
		}
		return unquoted(raw)
	case dialect.AnthropicMessages, dialect.AnthropicCountTokens:
		if !bytes.Contains(c.ask.EndUser, sessionMark) {
			return ""
		}
		_, session := claudeUser(c.ask.EndUser)
		return session
	default:
		return ""
	}
}

func (c *call) joinTool(id []byte) bool {
	if !identifies(id) {
		return false
	}
	c.runID, c.runSource = string(id), wire.RunSource_RUN_SOURCE_TOOL
	return true
}

// joinThread names the run as the answer says that the request goes on from. Where that answer could still be named by the call of a tool, its
// result says so.
func (c *call) joinThread(t handle.Thread) {
	if t.Run == "" || c.runSource != wire.RunSource_RUN_SOURCE_CALL && (t.Open || c.runSource != wire.RunSource_RUN_SOURCE_TOOL) {
		return
	}
	c.joinSession(t.Run)
}

// threadOf returns what the ids of the call's answer say of its run. It stays as it first was: the events of a stream name one answer.
func (c *call) threadOf() handle.Thread {
	if c.thread.Run == "" {
		c.thread = handle.Thread{Run: c.runID, Open: c.opensRun()}
	}
	return c.thread
}

// opensRun says whether the answer may yet name the run: by the first tool that it calls.
func (c *call) opensRun() bool {
	return c.ask.Tools && c.runSource == wire.RunSource_RUN_SOURCE_CALL && c.passage == nil
}

// nameRun names the run by the first call of a tool in an answer as the caller gets it, or in a part of a streamed one.
func (c *call) nameRun(answer []byte) {
	if !c.opensRun() {
		return
	}
	if c.dialect == dialect.AnthropicMessages {
		if !bytes.Contains(answer, toolUse) {
			return
		}
		if c.ask.Stream {
			answer = openedBlock(answer)
		} else {
			answer = scan.Lookup(answer, "content")
		}
	}
	if c.joinTool(toolIn(c.dialect, answer)) && !c.committed {
		c.set(runField, c.runID)
	}
}

// announce says which fields follow the stream: the run too where only the answer will name it.
func (f *flow) announce() {
	c := f.c
	if f.unnamed = c.opensRun(); !f.unnamed {
		c.set("Trailer", streamTrailers)
		return
	}
	c.unset(runField)
	c.set("Trailer", streamTrailers+", "+runField)
}

// claudeUser takes apart what Claude Code says in metadata.user_id, whose session would make each of a person's sessions another end user. Of
// others it is the end user as it is. Both forms are its own: an object in a string, and before that user_…_account_…_session_….
func claudeUser(raw []byte) (user, session string) {
	if !bytes.Contains(raw, sessionMark) {
		return unquotedInner(raw), ""
	}
	text := unquotedInner(raw)
	if strings.HasPrefix(text, "user_") {
		user, session, _ = strings.Cut(text, "_session_")
		return user, session
	}
	object := []byte(text)
	if !scan.Valid(object) || object[0] != '{' {
		return text, ""
	}
	if user = unquoted(scan.Lookup(object, "account_uuid")); user == "" {
		user = unquoted(scan.Lookup(object, "device_id"))
	}
	if user == "" {
		user = text
	}
	return user, unquoted(scan.Lookup(object, "session_id"))
}

func unquotedInner(inner []byte) string {
	if !scan.HasEscape(inner) {
		return string(inner)
	}
	return string(scan.Unescape(nil, inner))
}
