// Package egress opens every connection that leaves a plane: to providers from an edge, to mail servers and webhooks from the control
// plane. It checks the address that a name resolved to, at the moment of connecting. It refuses loopback, private, link-local and other
// special addresses, unless the operator allows the range and the destination is meant to be there; it knows no proxies and follows no
// redirects.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// The three answers to a dial that fails. They say no more, so that nobody can map a network by them.
var (
	ErrForbidden   = errors.New("the address is not allowed from here")
	ErrUnresolved  = errors.New("the name does not resolve")
	ErrUnreachable = errors.New("the address does not accept connections")
)

const (
	connectTimeout = 10 * time.Second
	keepAlive      = 30 * time.Second
	headBytesMax   = 32 << 10
	idlePerHost    = 16
	idleFor        = 60 * time.Second
)

// Dialer opens connections. Make one with New.
type Dialer struct {
	allow  []netip.Prefix
	dialer net.Dialer
}

// New returns a Dialer. The ranges in allow may be dialled for private destinations although they are special.
func New(allow []netip.Prefix) *Dialer {
	return &Dialer{allow: allow, dialer: net.Dialer{Timeout: connectTimeout, KeepAlive: keepAlive}}
}

// Dial connects to host:port over TCP. Private says that the destination is meant to be in an allowed private range.
// The error is one of the three of this package, or the context's.
func (d *Dialer) Dial(ctx context.Context, address string, private bool) (net.Conn, error) {
	forbidden := false
	dialer := d.dialer
	dialer.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		if d.permits(resolved, private) {
			return nil
		}
		forbidden = true
		return ErrForbidden
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		return conn, nil
	}
	var lookup *net.DNSError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case forbidden:
		return nil, ErrForbidden
	case errors.As(err, &lookup):
		return nil, ErrUnresolved
	default:
		return nil, ErrUnreachable
	}
}

// Client returns an HTTP client that dials so, for destinations to which few calls go: it keeps no connection. A redirect is an answer
// like any other. An error of a dial is one of the three of this package, wrapped.
func (d *Dialer) Client(private bool, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return d.Dial(ctx, address, private) },
			DisableKeepAlives: true, MaxResponseHeaderBytes: headBytesMax, TLSHandshakeTimeout: connectTimeout,
		},
	}
}

// Over returns a client over a transport of a dialer's, for connections that become something else than HTTP. A redirect is an answer like any other.
func Over(transport *http.Transport) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Transport returns an HTTP/1.1 transport that dials so and keeps its connections, for what goes to one destination. It asks for no compression,
// follows no redirect and knows no proxy. An error of a dial is one of the three of this package, wrapped. Roots are the authorities to trust;
// nil means the system's.
func (d *Dialer) Transport(private bool, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:     func(ctx context.Context, _, address string) (net.Conn, error) { return d.Dial(ctx, address, private) },
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: connectTimeout,
		DisableCompression: true, MaxResponseHeaderBytes: headBytesMax, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleFor,
	}
}

// ParseAllow reads a list of ranges such as "10.1.0.0/16,127.0.0.0/8".
func ParseAllow(text string) ([]netip.Prefix, error) {
	var allow []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, errors.New("is not a list of ranges")
		}
		allow = append(allow, prefix.Masked())
	}
	return allow, nil
}

func (d *Dialer) permits(resolved string, private bool) bool {
	peer, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	if addr == metadata || addr == metadataV6 || addr.IsUnspecified() || addr.IsMulticast() {
		return false
	}
	if !special(addr) {
		return true
	}
	return private && within(addr, d.allow)
}

// Cloud metadata services hand out credentials; no allowance opens them.
var (
	metadata   = netip.MustParseAddr("169.254.169.254")
	metadataV6 = netip.MustParseAddr("fd00:ec2::254")
)

// special says whether an address is anything but a global unicast one: the registries of special-purpose addresses
// (RFC 6890 and its updates), and every form that embeds an IPv4 address.
func special(addr netip.Addr) bool {
	return !addr.IsGlobalUnicast() || addr.IsPrivate() || within(addr, reserved)
}

var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
