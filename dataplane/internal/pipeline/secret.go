package pipeline

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/access"
	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// Client secrets let a browser speak over a realtime connection without the key (https://platform.openai.com/docs/api-reference/realtime-sessions). The edge
// makes its own: nothing of the provider's is in them, and nobody keeps them.

const (
	secretUsual     = 10 * time.Minute
	secretLeast     = 10 * time.Second
	secretLongest   = 2 * time.Hour
	settingsMax     = 4 << 10 // bytes of a session's settings, since the secret has to fit in a header field
	sessionSettings = "session"
)

// bearer is what a client secret is bound to.
type bearer struct {
	Model    string            `json:"m"`
	Settings json.RawMessage   `json:"s"` // the message that sets the session up
	EndUser  string            `json:"u,omitempty"`
	Labels   map[string]string `json:"l,omitempty"`
}

// minting is the way of a request for a client secret. It is made here and costs nothing.
func (p *Pipeline) minting() []stage {
	return []stage{
		{"authenticate", p.authenticate},
		{"read", p.read},
		{"mint", p.mint},
	}
}

// Mint makes a client secret.
func (p *Pipeline) Mint(w http.ResponseWriter, r *http.Request) {
	p.walk(w, r, dialect.OpenAIRealtime, p.mints)
}

func (p *Pipeline) mint(c *call) *refusal.Error {
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	settings, lasts, problem := readMint(c.body.B)
	if problem != nil {
		return problem
	}
	of := bearer{Settings: slices.Concat([]byte(`{"type":"session.update","session":`), settings, []byte("}")), EndUser: c.endUser, Labels: c.labels}
	u, problem := readUtterance(of.Settings)
	if gate := newGate(c.key); gate != nil && problem == nil {
		_, problem = gate.sends(of.Settings, &u)
	}
	if problem != nil {
		return problem
	}
	if of.Model = unquoted(scan.Lookup(settings, "model")); of.Model == "" {
		return invalidField("session.model", "is missing: the secret is good for one model")
	}
	if c.target, problem = access.Find(c.key, []byte(of.Model)); problem != nil {
		return problem
	}
	raw, err := json.Marshal(of)
	if err != nil {
		return refusal.Wrap(http.StatusInternalServerError, wire.CodeInternal, "The secret could not be made.", err)
	}
	until := c.started.Add(lasts)
	c.out = refusal.AppendString(append(c.out[:0], `{"value":`...), p.Secrets.Seal(&authenticate.Secret{Key: c.sum, Until: until, Of: raw}))
	c.out = strconv.AppendInt(append(c.out, `,"expires_at":`...), until.Unix(), 10)
	c.out = append(append(append(c.out, `,"session":`...), settings...), '}')
	c.identify()
	c.set("Content-Type", jsonType)
	c.set("Cache-Control", "no-store")
	c.set("Content-Length", strconv.Itoa(len(c.out)))
	c.status, c.committed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
	_ = p.write(c, c.out) // the caller may be gone
	return nil
}

// readMint returns the settings of the session for which a secret is wanted, and how long it is to last.
func readMint(body []byte) (settings []byte, lasts time.Duration, problem *refusal.Error) {
	lasts = secretUsual
	seen := map[string]bool{}
	scan.Each(body, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		switch {
		case problem != nil:
		case seen[name]:
			problem = invalidField(name, "stands twice")
		case name == sessionSettings && value[0] == '{':
			settings = value
		case name == "expires_after" && value[0] == '{':
			n, ok := scan.Int(scan.Lookup(value, "seconds"))
			if lasts = time.Duration(n) * time.Second; !ok || lasts < secretLeast || lasts > secretLongest {
				problem = invalidField("expires_after.seconds", "must be from 10 to 7200")
			}
		case name == "expires_after" && value[0] == 'n':
		default:
			problem = invalidField(cleaned(name, endUserMax), "is not known here, or is no object: session and expires_after are")
		}
		seen[name] = true
	})
	switch {
	case problem != nil:
		return nil, 0, problem
	case settings == nil:
		return nil, 0, invalidField(sessionSettings, "is missing: it names the model")
	case len(settings) > settingsMax:
		return nil, 0, invalidField(sessionSettings, "must not be longer than 4096 bytes, since the secret holds it: send the rest with session.update")
	}
	return settings, lasts, nil
}

// secretOf returns the client secret that a request carries as its key.
func secretOf(header http.Header) (string, bool) {
	for _, value := range header["Authorization"] {
		if scheme, text, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "bearer") && strings.HasPrefix(strings.TrimSpace(text), authenticate.SecretPrefix) {
			return strings.TrimSpace(text), true
		}
	}
	return "", false
}

// authenticateBearer finds the key behind a client secret. Whom it was made for it says itself, and not who bears it.
func (p *Pipeline) authenticateBearer(c *call, text string) *refusal.Error {
	secret, problem := p.Secrets.Open(text, c.started)
	if problem != nil {
		return problem
	}
	if c.key, c.sum, problem = p.Authenticator.Behind(secret, c.started); c.key == nil {
		return problem
	}
	of := &bearer{}
	if err := json.Unmarshal(secret.Of, of); err != nil {
		return refusal.Wrap(http.StatusUnauthorized, wire.CodeInvalidKey, "This client secret cannot be read. Make another one.", err)
	}
	c.bearer = of
	if wrong := c.readHeaders(); problem == nil {
		problem = wrong
	}
	if of.EndUser != "" {
		c.endUser = of.EndUser
	}
	for name, value := range of.Labels {
		if wrong := c.label(name, value); wrong != nil && problem == nil {
			problem = wrong
		}
	}
	return problem
}

// setUp sends what a gate needs and the settings of the client secret, before the caller says anything.
func (s *session) setUp() {
	if s.gate != nil {
		_ = s.provider.Write(s.ctx, s.c.textAlone()) // what reads of the provider says why not
	}
	if s.c.bearer == nil {
		return
	}
	out, problem, _ := s.listen(s.c.bearer.Settings)
	if problem != nil {
		s.stop(refusedReply(problem))
		return
	}
	_ = s.provider.Write(s.ctx, out) // what reads of the provider says why not
}
