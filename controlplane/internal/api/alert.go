package api

import (
	"context"
	"net/http"
	"strconv"

	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// createdChannel is the answer to a new channel; a webhook's signing secret is shown once.
type createdChannel struct {
	Channel       channel.Channel `json:"channel"`
	SigningSecret string          `json:"signing_secret"` // of webhooks
}

// ruleChange names a rule and what shall be otherwise.
type ruleChange struct {
	Rule     alert.Rule        `json:"rule"`
	Enabled  *bool             `json:"enabled"`
	Severity *channel.Severity `json:"severity"`
	Number   *int              `json:"number"`
}

func channelTable(s Services) []endpoint {
	deliveries := getting("/channels/:id/deliveries", authz.ChannelRead, "The last 50 deliveries to a channel, newest first",
		func(ctx context.Context, actor authz.Actor, id ident.Channel) (items[channel.Delivery], error) {
			all, err := s.Channels.Deliveries(ctx, actor, id)
			return items[channel.Delivery]{append([]channel.Delivery{}, all...)}, err
		})
	return []endpoint{
		listing("/channels", authz.ChannelRead, "All channels", s.Channels.List),
		creating("/channels", authz.ChannelWrite, "Create a channel; the signing secret of a webhook is shown once",
			func(ctx context.Context, actor authz.Actor, in channel.Input) (createdChannel, error) {
				created, signing, err := s.Channels.Create(ctx, actor, in)
				return createdChannel{created, signing.Reveal()}, err
			}),
		getting("/channels/:id", authz.ChannelRead, "One channel", s.Channels.Get),
		changing("/channels/:id", authz.ChannelWrite, "Change a channel; its kind stays",
			func(context.Context, authz.Actor, ident.Channel) (channel.Change, error) {
				return channel.Change{}, nil
			}, s.Channels.Update),
		archiving("/channels/:id", authz.ChannelWrite, "Archive a channel", s.Channels.Archive),
		deliveries,
		doing("/channels/:id/test", authz.ChannelWrite, "Send a test message; the answer says what came of its first attempt", s.Channels.Test),
		doing("/deliveries/:id/resend", authz.ChannelWrite, "Send a delivery that is at its end again, as the same message", s.Channels.Resend),
	}
}

func alertTable(s Services) []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/alerts", permission: authz.AlertRead, summary: "Alerts that are open, or those that are over, newest first, with their deliveries",
			status: http.StatusOK, answer: typeOf[items[alert.Alert]](),
			parameters: []parameter{{"state", "open (which is meant when it is left out) or resolved"}, {"before", "of resolved ones: the id of the alert after which the list begins"}, {"limit", "of resolved ones: 1 to 200, 50 when it is left out"}},
			serve: func(c *call) (any, error) {
				all, err := s.alerts(c)
				return items[alert.Alert]{append([]alert.Alert{}, all...)}, err
			},
		},
		getting("/alerts/:id", authz.AlertRead, "One alert with its deliveries", s.Alerts.Get),
		listing("/alert-rules", authz.AlertRead, "All alert rules", s.Alerts.Rules),
		{
			method: http.MethodPatch, path: "/alert-rules", permission: authz.AlertWrite, summary: "Turn an alert rule on or off, or change its severity and number",
			status: http.StatusOK, body: typeOf[ruleChange](), answer: typeOf[alert.Setting](),
			serve: func(c *call) (any, error) {
				var in ruleChange
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Alerts.SetRule(c.ctx, c.actor, in.Rule, alert.Change{Enabled: in.Enabled, Severity: in.Severity, Number: in.Number})
			},
		},
	}
}

// alerts answers one of the two lists.
func (s Services) alerts(c *call) ([]alert.Alert, error) {
	var wrong fault.Fields
	var filter alert.Filter
	var err error
	if text := c.query("limit"); text != "" {
		if filter.Limit, err = strconv.Atoi(text); err != nil || filter.Limit < 1 {
			wrong.Add("limit", "enter a number from 1 to 200")
		}
	}
	if text := c.query("before"); text != "" {
		if filter.Before, err = ident.Parse[ident.Alert](text); err != nil {
			wrong.Add("before", "enter the id of an alert")
		}
	}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	switch c.query("state") {
	case "", "open":
		return s.Alerts.Open(c.ctx, c.actor)
	case "resolved":
		return s.Alerts.History(c.ctx, c.actor, filter)
	default:
		wrong.Add("state", "choose open or resolved")
		return nil, wrong.Err()
	}
}
