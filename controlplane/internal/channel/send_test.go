package channel

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

const canary = "canary-4711"

func newSender(mail Mail) *Sender {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return NewSender(loopback, mail, &url.URL{Scheme: "https", Host: "console.example"}, time.Now)
}

func example() Message {
	return Message{
		Event: Fired, Topic: Budgets, Rule: "budget_threshold", Severity: Warning, Matter: "budget_threshold:budget:1:2026-11",
		Title: "Budget “<!channel> [x](https://evil.example) *b*” has reached 80 %", Text: "8 of 10 & more are used.", Path: "/alerts/1", At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Org: "Acme",
	}
}

// take is what a receiver got.
type take struct {
	header http.Header
	body   map[string]any
	raw    string
}

func receiver(t *testing.T, status int) (address string, took <-chan take) {
	t.Helper()
	got := make(chan take, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		one := take{header: r.Header, raw: string(raw)}
		if err := json.Unmarshal(raw, &one.body); err != nil {
			t.Errorf("%q is not JSON", raw)
		}
		got <- one
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/" + canary, got
}

func TestAWebhookIsSignedAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	address, took := receiver(t, http.StatusNoContent)
	id, secret := ident.New[ident.Delivery](), newSigningSecret()
	got, err := newSender(Mail{}).send(t.Context(), Channel{Kind: Webhook}, secrets{URL: address, Signing: secret}, id, example())
	if err != nil || !got.ok || got.status != http.StatusNoContent {
		t.Fatalf("%+v, %v", got, err)
	}
	one := <-took
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) != 32 {
		t.Fatalf("the secret is %q", secret)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(one.header.Get("webhook-id") + "." + one.header.Get("webhook-timestamp") + "." + one.raw))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); one.header.Get("webhook-signature") != want {
		t.Errorf("signature %q, want %q", one.header.Get("webhook-signature"), want)
	}
	at, err := strconv.ParseInt(one.header.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
		t.Errorf("timestamp %q", one.header.Get("webhook-timestamp"))
	}
	data, _ := one.body["data"].(map[string]any)
	if one.header.Get("webhook-id") != "msg_"+id.String() || one.body["type"] != "alert.fired" || one.body["timestamp"] != "2026-11-21T12:00:00Z" || data["url"] != "https://console.example/alerts/1" {
		t.Errorf("%v %v", one.header, one.body)
	}
}

func TestBodiesAreWhatTheOtherSideReads(t *testing.T) {
	t.Parallel()
	for kind, wanted := range map[Kind][]string{
		Slack:     {`\u0026lt;!channel\u0026gt;`, `"mrkdwn"`, `|Open in Tollgate`},
		Teams:     {`"application/vnd.microsoft.card.adaptive"`, `"AdaptiveCard"`, `\\[x\\](https://evil.example)`, `"Action.OpenUrl"`},
		PagerDuty: {`"event_action":"trigger"`, `"dedup_key":"budget_threshold:budget:1:2026-11"`, `"routing_key":"key"`, `"severity":"warning"`},
	} {
		address, took := receiver(t, http.StatusAccepted)
		got, err := newSender(Mail{}).send(t.Context(), Channel{Kind: kind}, secrets{URL: address, Key: "key"}, ident.New[ident.Delivery](), example())
		if err != nil || !got.ok {
			t.Fatalf("%s: %+v, %v", kind, got, err)
		}
		one := <-took
		for _, part := range wanted {
			if !strings.Contains(one.raw, part) {
				t.Errorf("%s lacks %s in %s", kind, part, one.raw)
			}
		}
		if strings.Contains(one.raw, "<!channel") || strings.Contains(one.raw, `u003c!channel`) && kind == Slack {
			t.Errorf("%s lets a name mention a channel: %s", kind, one.raw)
		}
	}
	over := example()
	over.Event = Resolved
	raw, err := pagerDutyBody(over, "https://console.example", "key")
	if err != nil || !strings.Contains(string(raw), `"event_action":"resolve"`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestAnswersAreJudgedByTheirStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		status int
		after  string
		state  State
		wait   time.Duration
	}{
		{200, "", Delivered, 0},
		{202, "", Delivered, 0},
		{204, "", Delivered, 0},
		{301, "", GivenUp, 0},
		{307, "", GivenUp, 0},
		{400, "", GivenUp, 0},
		{401, "", GivenUp, 0},
		{404, "", GivenUp, 0},
		{410, "", GivenUp, 0},
		{408, "", Failed, 10 * time.Second},
		{429, "120", Failed, 2 * time.Minute},
		{429, "Sat, 21 Nov 2026 13:00:00 GMT", Failed, time.Hour},
		{429, "1", Failed, 10 * time.Second},
		{429, "99999999999", Failed, 24 * time.Hour},
		{429, "-5", Failed, 10 * time.Second},
		{500, "", Failed, 10 * time.Second},
		{503, "60", Failed, time.Minute},
	} {
		got := answered(&http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {test.after}}}, now)
		if state, wait := judge(1, got); state != test.state || wait != test.wait {
			t.Errorf("%d %q: %s after %s, want %s after %s", test.status, test.after, state, wait, test.state, test.wait)
		}
	}
	var whole time.Duration
	for attempt := 1; ; attempt++ {
		state, wait := judge(attempt, answer{})
		if state == GivenUp {
			if attempt != 10 || whole < 20*time.Hour || whole > 26*time.Hour {
				t.Errorf("%d attempts within %s", attempt, whole)
			}
			break
		}
		whole += wait
	}
}

func TestARedirectIsNotFollowedAndAHangingReceiverIsLeft(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirecting.Close()
	got, err := newSender(Mail{}).post(t.Context(), redirecting.URL, nil, []byte("{}"))
	if err != nil || !got.final || got.status != http.StatusTemporaryRedirect {
		t.Errorf("%+v, %v", got, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got, err = newSender(Mail{}).post(ctx, "http://"+listener.Addr().String(), nil, []byte("{}"))
	if err != nil || got.ok || got.final || got.text != "there was no whole answer in time" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSinksAreHeldByEgress tries addresses that must not be reached, with a listener that would notice, on both sinks.
func TestSinksAreHeldByEgress(t *testing.T) {
	t.Parallel()
	noticed := make(chan net.Conn, 100)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			noticed <- conn
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	sender := NewSender(nil, Mail{From: netmail.Address{Address: "a@example.com"}}, &url.URL{Scheme: "https", Host: "console.example"}, time.Now)
	texts := map[string]bool{}
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0.0.0.0", "localhost", "localhost.", "LOCALHOST", "[::1]", "[::]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]",
		"169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "nothing.invalid", "xn--nothing-.invalid",
	} {
		for _, scheme := range []string{"http", "https"} {
			got, err := sender.post(t.Context(), scheme+"://"+host+":"+port+"/"+canary, nil, []byte("{}"))
			if err != nil || got.ok || strings.Contains(got.text, canary) {
				t.Errorf("%s: %+v, %v", host, got, err)
			}
			texts[got.text] = true
		}
		sender.mail.Host, sender.mail.Port = strings.Trim(host, "[]"), must(strconv.Atoi(port))
		got, err := sender.send(t.Context(), Channel{Kind: Email, Addresses: []string{"b@example.com"}}, secrets{}, ident.New[ident.Delivery](), example())
		if err != nil || got.ok {
			t.Errorf("mail by %s: %+v, %v", host, got, err)
		}
		texts[got.text] = true
	}
	if len(noticed) > 0 {
		t.Errorf("%d connections reached the listener", len(noticed))
	}
	if len(texts) > 3 {
		t.Errorf("more than three answers: %v", texts)
	}
}

func TestMailArrivesOverTLSAlone(t *testing.T) {
	t.Parallel()
	certificate, roots := selfSigned(t)
	for name, change := range map[string]func(*Mail, *smtp.Server){
		"starttls": func(*Mail, *smtp.Server) {},
		"smtps":    func(m *Mail, _ *smtp.Server) { m.Implicit = true },
	} {
		box := &mailbox{mails: make(chan string, 5)}
		server := smtp.NewServer(box)
		server.Domain, server.TLSConfig = "mail.example", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		mail := Mail{Host: "127.0.0.1", User: "tollgate", Password: seal.NewSecret("pass-" + canary), From: netmail.Address{Name: "Tollgate", Address: "alerts@acme.example"}, Roots: roots}
		change(&mail, server)
		mail.Port = serve(t, server, mail.Implicit)
		id := ident.New[ident.Delivery]()
		got, err := newSender(mail).send(t.Context(), Channel{Kind: Email, Addresses: []string{"a@acme.example", "b@acme.example"}}, secrets{}, id, example())
		if err != nil || !got.ok {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		text := <-box.mails
		for _, part := range []string{"To: <a@acme.example>, <b@acme.example>", "Message-ID: <" + id.String() + "@acme.example>", "Auto-Submitted: auto-generated", "text/plain", "text/html", "https://console.example/alerts/1", "&lt;!channel&gt;"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: lacks %q in %s", name, part, text)
			}
		}
		mail.Roots = x509.NewCertPool()
		if got, err := newSender(mail).send(t.Context(), Channel{Kind: Email, Addresses: []string{"a@acme.example"}}, secrets{}, id, example()); err != nil || got.ok || got.final {
			t.Errorf("%s: an unknown certificate: %+v, %v", name, got, err)
		}
	}
	plain := &mailbox{mails: make(chan string, 5)}
	server := smtp.NewServer(plain)
	server.AllowInsecureAuth = true
	mail := Mail{Host: "127.0.0.1", Port: serve(t, server, false), From: netmail.Address{Address: "alerts@acme.example"}}
	if got, err := newSender(mail).send(t.Context(), Channel{Kind: Email, Addresses: []string{"a@acme.example"}}, secrets{}, ident.New[ident.Delivery](), example()); err != nil || got.ok || len(plain.mails) > 0 {
		t.Errorf("without STARTTLS it was sent: %+v, %v", got, err)
	}
	mail.Plain = true
	for address, want := range map[string]answer{
		"a@acme.example":    {ok: true, status: 250, text: "accepted by the mail server"},
		"gone@acme.example": {final: true, status: 550, text: "the mail server refuses the message or an address"},
		"busy@acme.example": {status: 451, text: "the mail server asks to come back later"},
	} {
		if got, err := newSender(mail).send(t.Context(), Channel{Kind: Email, Addresses: []string{address}}, secrets{}, ident.New[ident.Delivery](), example()); err != nil || got != want {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
}

func TestMailAddressesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Mail{
		"smtp://mail.example":               {Host: "mail.example", Port: 587},
		"smtps://mail.example":              {Host: "mail.example", Port: 465, Implicit: true},
		"smtp://u:p%40ss@mail.example:2525": {Host: "mail.example", Port: 2525, User: "u"},
		"smtp://10.0.0.1:25?tls=none":       {Host: "10.0.0.1", Port: 25, Plain: true},
	} {
		got, err := ParseMailURL(text)
		password := got.Password.Reveal()
		got.Password = seal.Secret{}
		if err != nil || got != want || (want.User != "") != (password == "p@ss") {
			t.Errorf("%s: %+v %q, %v", text, got, password, err)
		}
	}
	for _, text := range []string{"mail.example", "http://mail.example", "smtp://", "smtp://mail.example/x", "smtp://mail.example:0", "smtp://mail.example?tls=no", "smtps://mail.example?tls=none", "smtp://u:" + canary + "@mail.example?tls=none"} {
		if got, err := ParseMailURL(text); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// mailbox is what a mail server does with what it gets.
type mailbox struct{ mails chan string }

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{box: m}, nil }

type session struct{ box *mailbox }

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (*session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "tollgate" || password != "pass-"+canary {
			return errors.New("wrong password")
		}
		return nil
	}), nil
}

func (*session) Mail(string, *smtp.MailOptions) error { return nil }

func (*session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "gone"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case strings.HasPrefix(to, "busy"):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
	default:
		return nil
	}
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	s.box.mails <- string(raw)
	return err
}

func (*session) Reset()        {}
func (*session) Logout() error { return nil }

func serve(t *testing.T, server *smtp.Server, implicit bool) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = listener.Addr().(*net.TCPAddr).Port
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return port
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(der)))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
