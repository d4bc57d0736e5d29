package channel

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// signingPrefix and the 32 bytes in base64 after it are how the Standard Webhooks specification writes a secret.
const (
	signingPrefix = "whsec_"
	signingBytes  = 32
)

func newSigningSecret() string {
	raw := make([]byte, signingBytes)
	_, _ = rand.Read(raw) // crypto/rand.Read never fails
	return signingPrefix + base64.StdEncoding.EncodeToString(raw)
}

// sign returns the headers of the Standard Webhooks specification: HMAC-SHA256 over id, time in Unix seconds and body, joined by dots.
func sign(secret string, id ident.Delivery, at time.Time, body []byte) (map[string]string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, signingPrefix))
	if err != nil {
		return nil, fmt.Errorf("read the signing secret: %w", err)
	}
	name, seconds := "msg_"+id.String(), strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name + "." + seconds + "."))
	mac.Write(body)
	return map[string]string{
		"Webhook-Id": name, "Webhook-Timestamp": seconds, "Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}, nil
}

type object map[string]any

// webhookBody is the payload that the Standard Webhooks specification recommends: type, timestamp, data.
func webhookBody(m Message, link string) ([]byte, error) {
	kind := "alert." + string(m.Event)
	if m.Event == Tested {
		kind = "test"
	}
	return json.Marshal(object{"type": kind, "timestamp": m.At.UTC().Format(time.RFC3339), "data": object{
		"alert_id": m.Alert, "topic": m.Topic, "rule": m.Rule, "severity": m.Severity, "matter": m.Matter, "title": m.Title, "text": m.Text,
		"organization": m.Org, "url": link,
	}})
}

// slackEscape is what Slack asks of text, so that a name that a caller chose cannot mention a channel or hide a link.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackBody is a message of an incoming webhook (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
func slackBody(m Message, link string) ([]byte, error) {
	heading, text := slackEscape.Replace(m.heading()), slackEscape.Replace(m.Text)
	return json.Marshal(object{
		"text": heading,
		"blocks": []object{
			{"type": "section", "text": object{"type": "mrkdwn", "text": "*" + strings.ReplaceAll(heading, "*", "∗") + "*\n" + text}},
			{"type": "context", "elements": []object{{"type": "mrkdwn", "text": string(m.Severity) + " · " + slackEscape.Replace(m.Org) + " · <" + link + "|Open in Tollgate>"}}},
		},
		"unfurl_links": false,
	})
}

// teamsEscape keeps text from being read as Markdown, which a text block of an Adaptive Card allows.
var teamsEscape = strings.NewReplacer("\\", "\\\\", "[", "\\[", "]", "\\]", "*", "\\*", "_", "\\_", "#", "\\#", "`", "\\`")

// teamsBody is an Adaptive Card as a workflow "when a Teams webhook request is received" takes it.
func teamsBody(m Message, link string) ([]byte, error) {
	color := map[Severity]string{Info: "default", Warning: "warning", Critical: "attention"}[m.Severity]
	if m.Event == Resolved {
		color = "good"
	}
	card := object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": []object{
			{"type": "TextBlock", "text": teamsEscape.Replace(m.heading()), "weight": "bolder", "size": "medium", "wrap": true, "color": color},
			{"type": "TextBlock", "text": teamsEscape.Replace(m.Text), "wrap": true},
			{"type": "TextBlock", "text": teamsEscape.Replace(string(m.Severity) + " · " + m.Org), "isSubtle": true, "size": "small", "wrap": true},
		},
		"actions": []object{{"type": "Action.OpenUrl", "title": "Open in Tollgate", "url": link}},
	}
	return json.Marshal(object{"type": "message", "attachments": []object{
		{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card},
	}})
}

const summaryMax = 1024

// pagerDutyBody is an event of the Events API v2. One matter is one incident: what fires later in it adds to the incident, and what
// resolves ends it.
func pagerDutyBody(m Message, link, key string) ([]byte, error) {
	action := "trigger"
	if m.Event == Resolved {
		action = "resolve"
	}
	summary := []rune(m.Title)
	return json.Marshal(object{
		"routing_key": key, "event_action": action, "dedup_key": m.Matter, "client": "Tollgate", "client_url": link,
		"payload": object{
			"summary": string(summary[:min(len(summary), summaryMax)]), "source": m.Org, "severity": m.Severity, "timestamp": m.At.UTC().Format(time.RFC3339),
			"component": "tollgate", "group": m.Topic, "class": m.Rule, "custom_details": object{"text": m.Text},
		},
		"links": []object{{"href": link, "text": "Open in Tollgate"}},
	})
}
