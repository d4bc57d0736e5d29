package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/state"
)

// Plain carries what the lean client does not: any method, and answers with all of their header fields. It is the standard client, with
// connections of its own for each provider.
type Plain struct {
	dialer *egress.Dialer
	roots  *x509.CertPool

	mu         sync.Mutex
	transports map[poolKey]*http.Transport
}

// NewPlain returns a Plain. Roots are the authorities to trust; nil means the system's.
func NewPlain(dialer *egress.Dialer, roots *x509.CertPool) *Plain {
	return &Plain{dialer: dialer, roots: roots, transports: map[poolKey]*http.Transport{}}
}

// Send sends a request and returns the answer, whose body the caller closes. The context ends the exchange, also while the body is read.
// An error is an *Error, or the context's.
func (p *Plain) Send(ctx context.Context, request *Request) (*http.Response, error) {
	if err := request.check(); err != nil {
		return nil, err
	}
	base := request.Provider.BaseURL
	where, err := url.Parse(base.Scheme + "://" + base.Host + target(request.Provider) + request.Path)
	if err != nil || where.Host != base.Host {
		return nil, &Error{Reason: "the path is no path", Cause: err}
	}
	within, cancel := context.WithCancel(ctx)
	var sent, late atomic.Bool
	timer := time.AfterFunc(request.FirstByte, func() { late.Store(true); cancel() })
	traced := httptrace.WithClientTrace(within, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	out, err := http.NewRequestWithContext(traced, orPost(request.Method), where.String(), nil)
	if err != nil {
		cancel()
		return nil, &Error{Reason: "the request is no HTTP", Cause: err}
	}
	body := &sending{pieces: slices.Clone(request.Body)}
	if n := length(request.Body); n > 0 {
		out.Body, out.ContentLength = body, int64(n)
	}
	for _, field := range request.Header {
		out.Header[http.CanonicalHeaderKey(field.Name)] = append(out.Header[http.CanonicalHeaderKey(field.Name)], field.Value)
	}
	answer, err := p.transport(request.Provider).RoundTrip(out)
	if !timer.Stop() && err == nil {
		_ = answer.Body.Close()
		err = context.Canceled
	}
	switch {
	case err == nil:
		answer.Body = &plainBody{ReadCloser: answer.Body, ctx: ctx, cancel: cancel, idle: request.Idle, sent: body}
		return answer, nil
	case late.Load() && ctx.Err() == nil:
		err = &Error{Sent: sent.Load(), Timeout: true, Reason: "no answer began within " + request.FirstByte.String(), Cause: err}
	case sent.Load():
		err = answerError(ctx, err, "no answer began", request.FirstByte)
	default:
		err = connectError(ctx, err, request.FirstByte)
	}
	cancel()
	body.detach()
	return nil, err
}

// sending is a request's body on its way. The standard client may still read it when its exchange is over; detached, it has nothing more to say,
// and the bytes may be another's.
type sending struct {
	mu       sync.Mutex
	pieces   [][]byte
	detached bool
}

var errDetached = errors.New("the exchange is over")

// Read implements io.Reader.
func (s *sending) Read(into []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // the bytes may lie in a file
	defer func() {
		if recover() != nil {
			n, err = 0, errors.New("the disk does not give back what was to be sent")
		}
	}()
	if s.detached {
		return 0, errDetached
	}
	for len(s.pieces) > 0 && len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n = copy(into, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

// Close implements io.Closer.
func (s *sending) Close() error {
	s.detach()
	return nil
}

// detach waits for a read that is under way.
func (s *sending) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces, s.detached = nil, true
}

// Dialer returns a client whose connections to a provider become something else than HTTP, and the address of a path there.
func (p *Plain) Dialer(provider *state.Provider, path string) (*http.Client, string) {
	return egress.Over(p.transport(provider)), provider.BaseURL.Scheme + "://" + provider.BaseURL.Host + target(provider) + path
}

// DialError returns the *Error of a connection that was not made, or the context's error.
func DialError(ctx context.Context, err error, within time.Duration) error {
	return connectError(ctx, err, within)
}

func orPost(method string) string {
	if method == "" {
		return http.MethodPost
	}
	return method
}

func (p *Plain) transport(provider *state.Provider) *http.Transport {
	key := poolKey{provider.ID, provider.BaseURL.Scheme, provider.BaseURL.Host, provider.PrivateNetwork}
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.transports[key]
	if found == nil {
		found = p.dialer.Transport(provider.PrivateNetwork, p.roots)
		p.transports[key] = found
	}
	return found
}

// Run closes what rests when ctx ends.
func (p *Plain) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.transports {
		each.CloseIdleConnections()
	}
	return nil
}

// plainBody is the body of an answer. Its errors are *Error or the context's; io.EOF comes only at the proper end.
type plainBody struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // of one exchange
	cancel context.CancelFunc
	idle   time.Duration
	sent   *sending
}

// Read implements io.Reader.
func (b *plainBody) Read(into []byte) (int, error) {
	var late atomic.Bool
	timer := time.AfterFunc(b.idle, func() { late.Store(true); b.cancel() })
	n, err := b.ReadCloser.Read(into)
	timer.Stop()
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case late.Load() && b.ctx.Err() == nil:
		return n, &Error{Sent: true, Timeout: true, Reason: "nothing more of its answer came within " + b.idle.String(), Cause: err}
	default:
		return n, answerError(b.ctx, err, "nothing more of its answer came", b.idle)
	}
}

// Close implements io.Closer; it ends the exchange, and nothing of the request is read any more.
func (b *plainBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	b.sent.detach()
	return err
}
