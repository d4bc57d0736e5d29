package controlplane

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/wire"
)

// Config is what a control plane is told from outside. FromEnv makes it.
type Config struct {
	Addr               string
	PublicURL          *url.URL // nil: every Host is answered and cookies are for http
	DatabaseURL        seal.Secret
	MigrateDatabaseURL seal.Secret // none: the schema must be there
	MasterKey          seal.Secret // raw bytes
	KeyPepper          seal.Secret // raw bytes
	FleetKey           wire.FleetKey
	SigningKey         ed25519.PrivateKey `json:"-"`
	EdgeToken          seal.Secret
	EdgeURL            string        // where agents call; shown with a new key
	UsageRetention     time.Duration // single usage events are kept for so long, in whole days; 0: for ever
	AdminEmail         string
	AdminPassword      seal.Secret
	AdminToken         seal.Secret
	LogLevel           slog.Level
	OTLPEndpoint       string
	EgressAllow        []netip.Prefix // private networks in which the mail server and webhooks may be
	Mail               channel.Mail   // none: no e-mail
}

// variable is one line of the configuration table.
type variable struct {
	name     string
	help     string
	fallback string
	required bool
	set      func(*Config, string) error
}

const (
	secretBytes  = 32
	base64Help   = "32 random bytes in base64, such as from: openssl rand -base64 32"
	postgresHelp = "postgres://…"
	edgeTokenMin = 20
)

// variables is the table that FromEnv reads and Help prints.
func variables() []variable {
	return []variable{
		{name: "TOLLGATE_ADDR", help: "where to listen", fallback: "127.0.0.1:8400", set: setAddr},
		{name: "TOLLGATE_PUBLIC_URL", help: "address of the console as people type it; other Host headers are then refused", set: setPublicURL},
		{name: "TOLLGATE_DATABASE_URL", help: postgresHelp + " as the role tollgate_app, which must not own the tables", required: true, set: setPostgres(func(c *Config) *seal.Secret { return &c.DatabaseURL })},
		{name: "TOLLGATE_MIGRATE_DATABASE_URL", help: postgresHelp + " as the owner; when set, migrations run at the start", set: setPostgres(func(c *Config) *seal.Secret { return &c.MigrateDatabaseURL })},
		{name: "TOLLGATE_MASTER_KEY", help: "wraps the organizations' data keys: " + base64Help, required: true, set: setKey(func(c *Config, raw []byte) { c.MasterKey = seal.NewSecret(string(raw)) })},
		{name: "TOLLGATE_KEY_PEPPER", help: "of the virtual keys' hashes, the same at every edge: " + base64Help, required: true, set: setKey(func(c *Config, raw []byte) { c.KeyPepper = seal.NewSecret(string(raw)) })},
		{name: "TOLLGATE_FLEET_KEY", help: "seals credentials for the edges, the same at every edge: " + base64Help, required: true, set: setKey(func(c *Config, raw []byte) { c.FleetKey = raw })},
		{name: "TOLLGATE_SIGNING_KEY", help: "ed25519 seed that signs snapshots: " + base64Help, required: true, set: setKey(func(c *Config, raw []byte) { c.SigningKey = ed25519.NewKeyFromSeed(raw) })},
		{name: "TOLLGATE_EDGE_TOKEN", help: "what edges show to be let in, at least 20 characters, the same at every edge", required: true, set: setEdgeToken},
		{name: "TOLLGATE_EDGE_URL", help: "where agents call, shown with a new virtual key", fallback: "http://127.0.0.1:8410", set: setEdgeURL},
		{name: "TOLLGATE_USAGE_RETENTION_DAYS", help: "days for which single usage events are kept, 0: for ever; sums and runs are always kept", fallback: "0", set: setRetention},
		{name: "TOLLGATE_ADMIN_EMAIL", help: "first start only: the first user, owner of the organization Demo", set: func(c *Config, text string) error { c.AdminEmail = text; return nil }},
		{name: "TOLLGATE_ADMIN_PASSWORD", help: "first start only: the first user's password, at least 10 characters", set: setSecret(func(c *Config) *seal.Secret { return &c.AdminPassword })},
		{name: "TOLLGATE_ADMIN_TOKEN", help: "first start only: the first API token, tga_<32 hex digits: the organization's id>_<at least 40 letters and digits>", set: setSecret(func(c *Config) *seal.Secret { return &c.AdminToken })},
		{name: "TOLLGATE_SMTP_URL", help: "mail server of alerts: smtp://user:password@host:587 (STARTTLS is required, unless ?tls=none says otherwise) or smtps://host:465", set: setMail},
		{name: "TOLLGATE_SMTP_FROM", help: "sender of alerts, such as Tollgate <alerts@example.com>", set: setMailFrom},
		{name: "TOLLGATE_EGRESS_ALLOW", help: "private ranges in which the mail server and webhooks may be, such as 10.1.0.0/16,127.0.0.0/8; nothing else there is dialled", set: func(c *Config, text string) (err error) { c.EgressAllow, err = egress.ParseAllow(text); return err }},
		{name: "TOLLGATE_LOG_LEVEL", help: "debug, info, warn or error", fallback: "info", set: func(c *Config, text string) error { return c.LogLevel.UnmarshalText([]byte(text)) }},
		{name: "OTEL_EXPORTER_OTLP_ENDPOINT", help: "where traces and metrics go (OTLP over HTTP), such as http://127.0.0.1:4318", set: setOTLP},
	}
}

// FromEnv reads the configuration. The error is one line that names the variable and says what to do; it never shows a value.
func FromEnv(getenv func(string) string) (Config, error) {
	var config Config
	for _, v := range variables() {
		text := strings.TrimSpace(getenv(v.name))
		if text == "" {
			text = v.fallback
		}
		if text == "" {
			if v.required {
				return Config{}, fmt.Errorf("%s is not set: %s", v.name, v.help)
			}
			continue
		}
		if err := v.set(&config, text); err != nil {
			return Config{}, fmt.Errorf("%s %w: %s", v.name, err, v.help)
		}
	}
	first := []bool{config.AdminEmail == "", config.AdminPassword.IsZero(), config.AdminToken.IsZero()}
	if first[0] != first[1] || first[1] != first[2] {
		return Config{}, errors.New("TOLLGATE_ADMIN_EMAIL, TOLLGATE_ADMIN_PASSWORD and TOLLGATE_ADMIN_TOKEN go together: set all three or none")
	}
	if (config.Mail.Host == "") != (config.Mail.From.Address == "") {
		return Config{}, errors.New("TOLLGATE_SMTP_URL and TOLLGATE_SMTP_FROM go together: set both or none")
	}
	return config, nil
}

// Help is the text of --help.
func Help() string {
	var text strings.Builder
	text.WriteString("controlplane: the console, the admin API and the source of the edges' configuration\n\ncontrolplane fence <edge id>: declares an edge lost. Its processes are refused for ever; what it held of budgets is in doubt.\n\ncontrolplane prices import [--dry-run] <file>: puts a table into the price catalog; it goes before the table that comes with the program. It leaves no audit entry, for audits are of organizations: keep what it prints.\n\ncontrolplane prices export: writes the catalog in that format.\n\nIt is configured by these variables:\n\n")
	for _, v := range variables() {
		note := ""
		switch {
		case v.required:
			note = " (required)"
		case v.fallback != "":
			note = " (default " + v.fallback + ")"
		}
		fmt.Fprintf(&text, "  %s%s\n      %s\n", v.name, note, v.help)
	}
	return text.String()
}

func setAddr(c *Config, text string) error {
	if _, _, err := net.SplitHostPort(text); err != nil {
		return errors.New("is not host:port")
	}
	c.Addr = text
	return nil
}

func setMail(c *Config, text string) error {
	server, err := channel.ParseMailURL(text)
	server.From = c.Mail.From
	c.Mail = server
	return err
}

func setMailFrom(c *Config, text string) error {
	from, err := mail.ParseAddress(text)
	if err != nil {
		return errors.New("is not an e-mail address")
	}
	c.Mail.From = *from
	return nil
}

func setPublicURL(c *Config, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || strings.Trim(parsed.Path, "/") != "" || parsed.User != nil || parsed.RawQuery != "" {
		return errors.New("is not an address such as https://tollgate.example.com")
	}
	c.PublicURL = &url.URL{Scheme: parsed.Scheme, Host: strings.ToLower(parsed.Host)}
	return nil
}

func setOTLP(c *Config, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return errors.New("is not an http address")
	}
	c.OTLPEndpoint = text
	return nil
}

func setEdgeURL(c *Config, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return errors.New("is not an address such as https://edge.example.com")
	}
	c.EdgeURL = strings.TrimRight(text, "/")
	return nil
}

func setRetention(c *Config, text string) error {
	const daysMax = 36_500
	days, err := strconv.Atoi(text)
	if err != nil || days < 0 || days > daysMax {
		return fmt.Errorf("is not a number of days from 0 to %d", daysMax)
	}
	c.UsageRetention = time.Duration(days) * 24 * time.Hour
	return nil
}

func setEdgeToken(c *Config, text string) error {
	if len(text) < edgeTokenMin {
		return errors.New("is too short")
	}
	c.EdgeToken = seal.NewSecret(text)
	return nil
}

func setPostgres(field func(*Config) *seal.Secret) func(*Config, string) error {
	return func(c *Config, text string) error {
		if parsed, err := url.Parse(text); err != nil || (parsed.Scheme != "postgres" && parsed.Scheme != "postgresql") {
			return errors.New("is not a Postgres address")
		}
		*field(c) = seal.NewSecret(text)
		return nil
	}
}

func setSecret(field func(*Config) *seal.Secret) func(*Config, string) error {
	return func(c *Config, text string) error {
		*field(c) = seal.NewSecret(text)
		return nil
	}
}

func setKey(keep func(*Config, []byte)) func(*Config, string) error {
	return func(c *Config, text string) error {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) != secretBytes {
			return fmt.Errorf("is not %d bytes in base64", secretBytes)
		}
		keep(c, raw)
		return nil
	}
}
