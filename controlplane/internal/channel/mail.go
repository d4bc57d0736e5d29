package channel

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html/template"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

// Mail is the operator's mail server. The zero value is none.
type Mail struct {
	Host     string
	Port     int
	User     string
	Password seal.Secret
	Implicit bool // TLS from the first byte (smtps)
	Plain    bool // no TLS at all, because the operator said so
	From     netmail.Address
	Roots    *x509.CertPool // nil: the system's
}

const (
	submissionPort  = 587
	submissionsPort = 465
)

// ParseMailURL reads smtp://user:password@host:587 (STARTTLS is required) or smtps://…:465. A query tls=none sends in the clear.
// The error shows no value.
func ParseMailURL(text string) (Mail, error) {
	wrong := errors.New("is not an address such as smtp://user:password@mail.example.com:587")
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || strings.Trim(parsed.Path, "/") != "" || parsed.Fragment != "" {
		return Mail{}, wrong
	}
	m := Mail{Host: parsed.Hostname(), Port: submissionPort}
	switch parsed.Scheme {
	case "smtp":
	case "smtps":
		m.Implicit, m.Port = true, submissionsPort
	default:
		return Mail{}, wrong
	}
	if text := parsed.Port(); text != "" {
		if m.Port, err = strconv.Atoi(text); err != nil || m.Port < 1 || m.Port > 65535 {
			return Mail{}, wrong
		}
	}
	switch query := parsed.Query(); {
	case len(query) == 0:
	case len(query) == 1 && query.Get("tls") == "none" && !m.Implicit:
		m.Plain = true
	default:
		return Mail{}, errors.New("has a query other than ?tls=none")
	}
	m.User = parsed.User.Username()
	password, _ := parsed.User.Password()
	m.Password = seal.NewSecret(password)
	if m.Plain && m.User != "" {
		return Mail{}, errors.New("would send its password in the clear: leave out ?tls=none, or the user")
	}
	return m, nil
}

// String shows the server alone.
func (m Mail) String() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// usable says whether there is a mail server.
func (m Mail) usable() bool { return m.Host != "" && m.From.Address != "" }

func (s *Sender) sendMail(ctx context.Context, to []string, id ident.Delivery, m Message, link string) (answer, error) {
	if !s.mail.usable() {
		return answer{text: "this installation has no mail server any more"}, nil
	}
	message, err := s.mail.message(to, id, m, link)
	if err != nil {
		return answer{}, err
	}
	client, err := gomail.NewClient(s.mail.Host, s.mail.options(s)...)
	if err != nil {
		return answer{}, fmt.Errorf("make the mail client: %w", err)
	}
	return mailed(client.DialAndSendWithContext(ctx, message), message.IsDelivered()), nil
}

func (m Mail) options(s *Sender) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(m.Port), gomail.WithTimeout(sendMax), gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithoutNoop(),
		gomail.WithTLSConfig(&tls.Config{ServerName: m.Host, RootCAs: m.Roots, MinVersion: tls.VersionTLS12}),
		gomail.WithDialContextFunc(func(ctx context.Context, _, address string) (net.Conn, error) {
			conn, err := s.dialer.Dial(ctx, address, true)
			if err != nil || !m.Implicit {
				return conn, err
			}
			return tls.Client(conn, &tls.Config{ServerName: m.Host, RootCAs: m.Roots, MinVersion: tls.VersionTLS12}), nil
		}),
	}
	if m.Implicit {
		options = append(options, gomail.WithSSL())
	}
	if m.Plain {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if m.User != "" {
		mechanism := gomail.SMTPAuthAutoDiscover
		if m.Implicit {
			mechanism = gomail.SMTPAuthPlain // the library does not see that a connection of our own is encrypted
		}
		options = append(options, gomail.WithSMTPAuth(mechanism), gomail.WithUsername(m.User), gomail.WithPassword(m.Password.Reveal()))
	}
	return options
}

// mailed judges what the mail server said. What it refuses for good is not tried again; who cannot sign in is, since the operator will
// mend that.
func mailed(err error, delivered bool) answer {
	var refused *gomail.SendError
	switch {
	case err == nil || delivered: // once the server has taken the message, how it says good-bye does not matter
		return answer{ok: true, status: 250, text: "accepted by the mail server"}
	case errors.As(err, &refused) && refused.ErrorCode() >= 500 && !refused.IsTemp():
		return answer{status: refused.ErrorCode(), final: true, text: "the mail server refuses the message or an address"}
	case errors.As(err, &refused) && refused.ErrorCode() > 0:
		return answer{status: refused.ErrorCode(), text: "the mail server asks to come back later"}
	default:
		if got := unanswered(err); got.text != unanswered(nil).text {
			return got
		}
		return answer{text: "the mail server did not take the message: it broke off, does not offer TLS, or refused to sign in"}
	}
}

// mailHTML is the simple form beside the plain text.
const mailHTML = `<!DOCTYPE html>
<html lang="en"><body style="font-family:sans-serif;font-size:15px;line-height:1.5;color:#1d2733">
<p style="font-size:17px"><strong>{{.Heading}}</strong></p>
<p>{{.Text}}</p>
<p><a href="{{.Link}}">Open in Tollgate</a></p>
<p style="color:#66727f;font-size:13px">{{.Severity}} · {{.Org}} · {{.At}}</p>
</body></html>
`

func (m Mail) message(to []string, id ident.Delivery, about Message, link string) (*gomail.Msg, error) {
	at := about.At.UTC().Format(time.RFC1123)
	message := gomail.NewMsg()
	message.FromMailAddress(&m.From)
	if err := message.To(to...); err != nil {
		return nil, fmt.Errorf("address the mail: %w", err)
	}
	_, domain, _ := strings.Cut(m.From.Address, "@")
	message.SetMessageIDWithValue(id.String() + "@" + domain)
	message.SetDate()
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.Subject(oneLine("[Tollgate] " + about.heading()))
	message.SetBodyString(gomail.TypeTextPlain, about.heading()+"\n\n"+about.Text+"\n\n"+link+"\n\n"+string(about.Severity)+" · "+about.Org+" · "+at+"\n")
	form, err := template.New("mail").Parse(mailHTML)
	if err != nil {
		return nil, fmt.Errorf("read the form of mails: %w", err)
	}
	var html bytes.Buffer
	err = form.Execute(&html, struct{ Heading, Text, Link, Severity, Org, At string }{about.heading(), about.Text, link, string(about.Severity), about.Org, at})
	if err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	message.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return message, nil
}

// oneLine keeps a subject from becoming headers.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
