// Package channel keeps where an organization wants to be told of things (e-mail, Slack, Teams, webhooks, PagerDuty) and brings messages
// there: queued with their cause, tried again for a day, each with its last answer. It refuses to decide what is worth a message.
package channel

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/seal"
)

// Kind is what a channel leads to.
type Kind string

// The kinds.
const (
	Email     Kind = "email"
	Slack     Kind = "slack"     // an incoming webhook, or what takes the same
	Teams     Kind = "teams"     // a workflow's webhook
	Webhook   Kind = "webhook"   // signed as the Standard Webhooks specification says
	PagerDuty Kind = "pagerduty" // Events API v2, or what takes the same
)

// Kinds lists the kinds in the order in which they are offered.
func Kinds() []Kind { return []Kind{Email, Slack, Teams, Webhook, PagerDuty} }

// Severity says how much a message matters.
type Severity string

// The severities, from the least.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists the severities from the least.
func Severities() []Severity { return []Severity{Info, Warning, Critical} }

// Rank is the severity's place, from 1; 0: it is none.
func (s Severity) Rank() int { return slices.Index(Severities(), s) + 1 }

// SeverityOf is the severity at a place.
func SeverityOf(rank int) Severity { return Severities()[min(max(rank, 1), len(Severities()))-1] }

// Topic is what a message is about.
type Topic string

// The topics.
const (
	Budgets       Topic = "budgets"
	Spend         Topic = "spend"
	Guardrails    Topic = "guardrails"
	Prices        Topic = "prices"
	Providers     Topic = "providers"
	Edges         Topic = "edges"
	Configuration Topic = "configuration"
)

// Topics lists the topics in the order in which they are offered.
func Topics() []Topic {
	return []Topic{Budgets, Spend, Guardrails, Prices, Providers, Edges, Configuration}
}

// Channel is one place to be told at. Its address, where it holds a secret, is shown as its host alone.
type Channel struct {
	ID          ident.Channel `json:"id"`
	Name        string        `json:"name"` // unique among the organization's channels that are not archived
	Kind        Kind          `json:"kind"`
	Addresses   []string      `json:"addresses"` // of e-mail
	Host        string        `json:"host"`      // of the others
	SeverityMin Severity      `json:"severity_min"`
	Topics      []Topic       `json:"topics"` // none: all
	CreatedAt   time.Time     `json:"created_at"`
	ArchivedAt  *time.Time    `json:"archived_at,omitempty"`
}

// Takes says whether the channel wants messages of a topic and severity.
func (c Channel) Takes(topic Topic, severity Severity) bool {
	return severity.Rank() >= c.SeverityMin.Rank() && (len(c.Topics) == 0 || slices.Contains(c.Topics, topic))
}

// Input is what a caller sets. An empty SeverityMin is Info.
type Input struct {
	Name        string      `json:"name"`
	Kind        Kind        `json:"kind"`
	Addresses   []string    `json:"addresses"`   // for email
	URL         seal.Secret `json:"url"`         // for the others; pagerduty has a default
	RoutingKey  seal.Secret `json:"routing_key"` // for pagerduty
	SeverityMin Severity    `json:"severity_min"`
	Topics      []Topic     `json:"topics"`
}

// Change is what a caller may set later; nil, and an empty secret, stays as it is.
type Change struct {
	Name        *string     `json:"name"`
	Addresses   *[]string   `json:"addresses"`
	URL         seal.Secret `json:"url"`
	RoutingKey  seal.Secret `json:"routing_key"`
	SeverityMin *Severity   `json:"severity_min"`
	Topics      *[]Topic    `json:"topics"`
}

const (
	nameMax      = 80
	addressesMax = 20
	addressMax   = 254
	urlMax       = 2000
	keyMax       = 200
	pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"
)

// secrets are what is sealed of a channel.
type secrets struct {
	URL     string `json:"url"`
	Key     string `json:"key,omitempty"`     // PagerDuty's routing key
	Signing string `json:"signing,omitempty"` // a webhook's, with its prefix
}

// rules are what an installation allows.
type rules struct {
	mail  bool // there is a mail server
	plain bool // http:// is allowed, since there are private networks that may be dialled
}

// clean trims the input, fills in what was left empty and says what is wrong.
func (r rules) clean(in Input) (Input, secrets, error) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	var keep secrets
	switch in.Kind {
	case Email:
		if !r.mail {
			wrong.Add("kind", "this installation has no mail server; its operator sets TOLLGATE_SMTP_URL and TOLLGATE_SMTP_FROM")
		}
		in.Addresses = cleanAddresses(&wrong, in.Addresses)
	case Slack, Teams, Webhook, PagerDuty:
		in.Addresses = []string{}
		keep.URL = r.cleanURL(&wrong, in.Kind, in.URL.Reveal())
		if in.Kind == PagerDuty {
			keep.Key = cleanKey(&wrong, in.RoutingKey.Reveal())
		}
	default:
		wrong.Add("kind", "choose %q, %q, %q, %q or %q", Email, Slack, Teams, Webhook, PagerDuty)
	}
	if in.SeverityMin == "" {
		in.SeverityMin = Info
	}
	in.Topics = cleanTaste(&wrong, in.SeverityMin, in.Topics)
	return in, keep, wrong.Err()
}

// over returns the channel and its secrets after the change, and says what is wrong.
func (r rules) over(c Change, before Channel, keep secrets) (Channel, secrets, error) {
	var wrong fault.Fields
	if c.Name != nil {
		before.Name = input.Name(&wrong, "name", *c.Name, nameMax)
	}
	if c.Addresses != nil && before.Kind == Email {
		before.Addresses = cleanAddresses(&wrong, *c.Addresses)
	}
	if !c.URL.IsZero() && before.Kind != Email {
		keep.URL = r.cleanURL(&wrong, before.Kind, c.URL.Reveal())
		before.Host = hostOf(keep.URL)
	}
	if !c.RoutingKey.IsZero() && before.Kind == PagerDuty {
		keep.Key = cleanKey(&wrong, c.RoutingKey.Reveal())
	}
	if c.SeverityMin != nil {
		before.SeverityMin = *c.SeverityMin
	}
	if c.Topics != nil {
		before.Topics = *c.Topics
	}
	before.Topics = cleanTaste(&wrong, before.SeverityMin, before.Topics)
	return before, keep, wrong.Err()
}

func cleanTaste(wrong *fault.Fields, least Severity, topics []Topic) []Topic {
	if least.Rank() == 0 {
		wrong.Add("severity_min", "choose %q, %q or %q", Info, Warning, Critical)
	}
	clean := []Topic{}
	for _, topic := range topics {
		if !slices.Contains(Topics(), topic) {
			wrong.Add("topics", "%q is not a topic; choose some of %v, or none for all", topic, Topics())
			break
		}
		if !slices.Contains(clean, topic) {
			clean = append(clean, topic)
		}
	}
	return clean
}

func cleanAddresses(wrong *fault.Fields, given []string) []string {
	clean := []string{}
	for _, text := range given {
		text = strings.TrimSpace(text)
		parsed, err := mail.ParseAddress(text)
		if err != nil || parsed.Name != "" || len(text) > addressMax || !strings.Contains(text, "@") || strings.ContainsAny(text, "\r\n<>\"") {
			wrong.Add("addresses", "%q is not an e-mail address such as finance@example.com", text)
			return clean
		}
		if !slices.Contains(clean, text) {
			clean = append(clean, text)
		}
	}
	if len(clean) == 0 || len(clean) > addressesMax {
		wrong.Add("addresses", "enter 1 to %d e-mail addresses", addressesMax)
	}
	return clean
}

// cleanURL judges an address without repeating it: it may hold a secret.
func (r rules) cleanURL(wrong *fault.Fields, kind Kind, text string) string {
	text = strings.TrimSpace(text)
	if text == "" && kind == PagerDuty {
		return pagerDutyURL
	}
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		wrong.Add("url", "enter the address that the other side shows for its webhook")
	case err != nil || len(text) > urlMax || parsed.Hostname() == "" || parsed.Opaque != "":
		wrong.Add("url", "this is not an address such as https://example.com/hook")
	case parsed.User != nil || parsed.Fragment != "":
		wrong.Add("url", "leave out a user name, a password and what follows #")
	case parsed.Scheme == "http" && r.plain:
	case parsed.Scheme != "https":
		wrong.Add("url", "begin it with https://")
	}
	return text
}

func cleanKey(wrong *fault.Fields, text string) string {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > keyMax || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		wrong.Add("routing_key", "enter the integration's routing key, as PagerDuty shows it")
	}
	return text
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Host
}
