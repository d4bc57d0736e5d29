package dataplane

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Config is what an edge is told from outside. FromEnv makes it.
type Config struct {
	Addr              string
	ControlPlaneURL   *url.URL
	EdgeToken         state.Secret
	SnapshotPublicKey ed25519.PublicKey
	FleetKey          wire.FleetKey
	KeyPepper         state.Secret // raw bytes
	DataDir           string
	SpoolKeep         time.Duration // how long acked usage is kept
	Strict            bool          // intents are on the disk before their calls are sent
	EdgeName          string
	Region            string
	RedisURL          state.Secret // none: limits are counted on this edge alone
	BodyMaxBytes      int
	UploadMaxBytes    int
	UploadDir         string // empty: below DataDir
	UploadDiskBytes   int    // that all uploads may take at a time
	EgressAllow       []netip.Prefix
	LogLevel          slog.Level
	OTLPEndpoint      string
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
	keyBytes     = 32
	bodyBytesMin = 1 << 10
	bodyBytesMax = 1 << 30

	uploadBytesMin = 1 << 20
	diskBytesMax   = 1 << 40

	spoolKeepMax = 7 * 24 * time.Hour
)

// variables is the table that FromEnv reads and Help prints.
func variables() []variable {
	return []variable{
		{name: "TOLLGATE_ADDR", help: "where agents call", fallback: "127.0.0.1:8410", set: setAddr},
		{name: "TOLLGATE_CONTROL_PLANE_URL", help: "the control plane, such as https://tollgate.example.com", required: true, set: setControlPlane},
		{name: "TOLLGATE_EDGE_TOKEN", help: "what the control plane lets edges in by", required: true, set: func(c *Config, text string) error { c.EdgeToken = state.NewSecret(text); return nil }},
		{name: "TOLLGATE_SNAPSHOT_PUBLIC_KEY", help: "of the control plane's signing key: 32 bytes in base64", required: true, set: setKey(func(c *Config, raw []byte) { c.SnapshotPublicKey = raw })},
		{name: "TOLLGATE_FLEET_KEY", help: "as at the control plane: 32 bytes in base64", required: true, set: setKey(func(c *Config, raw []byte) { c.FleetKey = raw })},
		{name: "TOLLGATE_KEY_PEPPER", help: "as at the control plane: 32 bytes in base64", required: true, set: setKey(func(c *Config, raw []byte) { c.KeyPepper = state.NewSecret(string(raw)) })},
		{name: "TOLLGATE_DATA_DIR", help: "a directory of this edge alone, on a local disk; it keeps usage, leases and the last snapshot", required: true, set: func(c *Config, text string) error { c.DataDir = text; return nil }},
		{name: "TOLLGATE_SPOOL_KEEP", help: "how long usage is kept after the control plane has it, for a database that is restored to an older state: 0 to 168h. At most a quarter of the free disk is used", fallback: "24h", set: setSpoolKeep},
		{name: "TOLLGATE_DURABILITY", help: "write: a call's intent survives the death of the edge when the call is sent, and is on the disk within 50 ms. strict: it is on the disk before the call is sent", fallback: "write", set: setDurability},
		{name: "TOLLGATE_EDGE_NAME", help: "as the console shows it", fallback: "edge", set: func(c *Config, text string) error { c.EdgeName = text; return nil }},
		{name: "TOLLGATE_REGION", help: "where it stands", fallback: "local", set: func(c *Config, text string) error { c.Region = text; return nil }},
		{name: "TOLLGATE_REDIS_URL", help: "redis://… for limits that hold across edges and for answers that routes keep; without it each edge counts alone and none is kept", set: setRedis},
		{name: "TOLLGATE_BODY_MAX_BYTES", help: "the largest request body that is held in memory: of everything but uploads", fallback: strconv.Itoa(10 << 20), set: setBytes(bodyBytesMin, bodyBytesMax, func(c *Config, n int) { c.BodyMaxBytes = n })},
		{name: "TOLLGATE_UPLOAD_MAX_BYTES", help: "the largest request body that brings a file: /v1/files, transcriptions and translations of sound, edits of images, and what goes to a provider as it is and is no JSON. Beyond 1 MiB they lie on the disk while they are carried", fallback: strconv.Itoa(512 << 20), set: setBytes(uploadBytesMin, bodyBytesMax, func(c *Config, n int) { c.UploadMaxBytes = n })},
		{name: "TOLLGATE_UPLOAD_DIR", help: "where they lie, on a local disk, under no name; without it below TOLLGATE_DATA_DIR", set: func(c *Config, text string) error { c.UploadDir = text; return nil }},
		{name: "TOLLGATE_UPLOAD_DISK_BYTES", help: "what all of them may take of that disk at a time, and one organization half of it: at least four times TOLLGATE_UPLOAD_MAX_BYTES. More are refused with 503 and Retry-After", fallback: strconv.Itoa(4 << 30), set: setBytes(4*uploadBytesMin, diskBytesMax, func(c *Config, n int) { c.UploadDiskBytes = n })},
		{name: "TOLLGATE_EGRESS_ALLOW", help: "private ranges in which providers may be, such as 10.1.0.0/16,127.0.0.0/8; only for providers on a private network", set: setEgressAllow},
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
	if config.UploadDiskBytes/4 < config.UploadMaxBytes {
		return Config{}, errors.New("TOLLGATE_UPLOAD_DISK_BYTES is less than four times TOLLGATE_UPLOAD_MAX_BYTES: raise the one or lower the other")
	}
	return config, nil
}

// Help is the text of --help.
func Help() string {
	var text strings.Builder
	text.WriteString("edge: carries agents' calls to models under what the control plane says\n\nIt takes no arguments but these variables:\n\n")
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

func setSpoolKeep(c *Config, text string) (err error) {
	if c.SpoolKeep, err = time.ParseDuration(text); err != nil || c.SpoolKeep < 0 || c.SpoolKeep > spoolKeepMax {
		return errors.New("is not a time such as 24h or 90m, from 0s to 168h")
	}
	return nil
}

func setDurability(c *Config, text string) error {
	if text != "write" && text != "strict" {
		return errors.New("is neither write nor strict")
	}
	c.Strict = text == "strict"
	return nil
}

func setControlPlane(c *Config, text string) error {
	parsed, err := httpURL(text)
	if err != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.User != nil {
		return errors.New("is not an http address without a path")
	}
	c.ControlPlaneURL = parsed
	return nil
}

func setOTLP(c *Config, text string) error {
	if _, err := httpURL(text); err != nil {
		return err
	}
	c.OTLPEndpoint = text
	return nil
}

func httpURL(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return nil, errors.New("is not an http address")
	}
	return parsed, nil
}

func setRedis(c *Config, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "redis" && parsed.Scheme != "rediss") || parsed.Host == "" {
		return errors.New("is not a Redis address")
	}
	c.RedisURL = state.NewSecret(text)
	return nil
}

func setBytes(least, most int, set func(*Config, int)) func(*Config, string) error {
	return func(c *Config, text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("is not a number of bytes between %d and %d", least, most)
		}
		set(c, n)
		return nil
	}
}

func setEgressAllow(c *Config, text string) (err error) {
	c.EgressAllow, err = egress.ParseAllow(text)
	return err
}

func setKey(set func(*Config, []byte)) func(*Config, string) error {
	return func(c *Config, text string) error {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) != keyBytes {
			return errors.New("is not 32 bytes in base64")
		}
		set(c, raw)
		return nil
	}
}
