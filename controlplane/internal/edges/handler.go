package edges

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

// Handler returns the path of the contract's service and its handler, for a server that speaks HTTP/2. Every call needs the token.
func (s *Service) Handler(token string) (path string, handler http.Handler) {
	path, handler = wireconnect.NewEdgeServiceHandler(s,
		connect.WithInterceptors(newGuard(token)), connect.WithReadMaxBytes(readBytesMax), connect.WithCompressMinBytes(gzipBytesMin))
	return path, withDeadlines(handler)
}

// ReportUsage hands the stream to who takes usage, and ends it when the control plane stops.
func (s *Service) ReportUsage(ctx context.Context, stream *connect.BidiStream[wire.UsageBatch, wire.UsageAck]) error {
	limits := deadlinesOf(ctx)
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-over:
			return
		case <-ctx.Done():
		case <-s.ended:
		}
		limits.read(-time.Second) // wakes the receiver
	})
	defer watching.Wait() // the stream must not be touched once this has returned
	defer close(over)
	return s.reporter.ReportUsage(ctx, stream)
}

// Positions asks who takes usage how far the books are, and who lends which books these are.
func (s *Service) Positions(ctx context.Context, request *connect.Request[wire.PositionsRequest]) (*connect.Response[wire.PositionsResponse], error) {
	out, err := s.reporter.Positions(ctx, request.Msg)
	if err != nil {
		return nil, err
	}
	edge, err := ident.FromBytes[ident.Edge](request.Msg.GetEdgeId())
	if err == nil {
		out.Books, err = s.lender.Told(ctx, edge, request.Msg.GetToldBooks())
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "what an edge has told is not written down", "edge_id", edge, "error", err)
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("the books cannot be read now"))
	}
	return connect.NewResponse(out), nil
}

// Await hands out what is awaited.
func (s *Service) Await(ctx context.Context, request *connect.Request[wire.AwaitRequest]) (*connect.Response[wire.AwaitResponse], error) {
	out, err := s.reporter.Await(ctx, request.Msg)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

// ListKept lists what providers keep for a workspace.
func (s *Service) ListKept(ctx context.Context, request *connect.Request[wire.ListKeptRequest]) (*connect.Response[wire.ListKeptResponse], error) {
	out, err := s.reporter.ListKept(ctx, request.Msg)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

type deadlinesKey struct{}

// withDeadlines lets a stream end a send or receive that takes too long, which the stream itself has no means for.
func withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), deadlinesKey{}, controller)))
	})
}

// deadlines sets the stream's deadlines; without a controller (not behind Handler) it does nothing.
type deadlines struct{ controller *http.ResponseController }

func deadlinesOf(ctx context.Context) deadlines {
	controller, _ := ctx.Value(deadlinesKey{}).(*http.ResponseController)
	return deadlines{controller}
}

func (d deadlines) read(after time.Duration) {
	if d.controller != nil {
		_ = d.controller.SetReadDeadline(time.Now().Add(after)) // unsupported: the stream has no deadline
	}
}

func (d deadlines) write(after time.Duration) {
	if d.controller != nil {
		_ = d.controller.SetWriteDeadline(time.Now().Add(after)) // unsupported: the stream has no deadline
	}
}

func (d deadlines) writeFreely() {
	if d.controller != nil {
		_ = d.controller.SetWriteDeadline(time.Time{}) // unsupported: there was no deadline
	}
}

// guard refuses calls without the edge token.
type guard struct{ want [sha256.Size]byte }

func newGuard(token string) *guard { return &guard{want: sha256.Sum256([]byte(token))} }

func (g *guard) check(header http.Header) error {
	text, bearer := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	got := sha256.Sum256([]byte(text)) // equal lengths, so that the comparison takes equal time
	if subtle.ConstantTimeCompare(got[:], g.want[:]) != 1 || !bearer || text == "" {
		return connect.NewError(connect.CodeUnauthenticated, errors.New(wire.CodeEdgeUnauthorized+": the edge token is missing or wrong; set TOLLGATE_EDGE_TOKEN to the control plane's"))
	}
	return nil
}

// WrapUnary implements connect.Interceptor.
func (g *guard) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if err := g.check(request.Header()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

// WrapStreamingClient implements connect.Interceptor; there is no client here.
func (*guard) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (g *guard) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, stream connect.StreamingHandlerConn) error {
		if err := g.check(stream.RequestHeader()); err != nil {
			return err
		}
		return next(ctx, stream)
	}
}
