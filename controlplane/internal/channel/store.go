package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/channel/internal/channeldb"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

func insert(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org, in Input, keep secrets) (Channel, error) {
	id := ident.New[ident.Channel]()
	sealed, version, err := lock(ctx, tx, box, org, id, in.Kind, keep)
	if err != nil {
		return Channel{}, err
	}
	err = channeldb.New(tx).InsertChannel(ctx, channeldb.InsertChannelParams{
		OrgID: org, ChannelID: id, Name: in.Name, Kind: string(in.Kind), Addresses: in.Addresses, Host: hostOf(keep.URL),
		SeverityMin: int16(in.SeverityMin.Rank()), Topics: texts(in.Topics), KeyVersion: version, Sealed: sealed,
	})
	if err != nil {
		return Channel{}, taken(err, in.Name, "insert channel")
	}
	made, _, err := get(ctx, tx, nil, org, id)
	return made, err
}

func update(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org, after Channel, keep secrets, sealAgain bool) error {
	queries := channeldb.New(tx)
	count, err := queries.UpdateChannel(ctx, channeldb.UpdateChannelParams{
		OrgID: org, ChannelID: after.ID, Name: after.Name, Addresses: after.Addresses, SeverityMin: int16(after.SeverityMin.Rank()), Topics: texts(after.Topics),
	})
	if err != nil {
		return taken(err, after.Name, "update channel")
	}
	if count == 0 {
		return missing(pgx.ErrNoRows, after.ID)
	}
	if !sealAgain {
		return nil
	}
	sealed, version, err := lock(ctx, tx, box, org, after.ID, after.Kind, keep)
	if err != nil {
		return err
	}
	if err := queries.SealChannel(ctx, channeldb.SealChannelParams{OrgID: org, ChannelID: after.ID, Host: hostOf(keep.URL), KeyVersion: version, Sealed: sealed}); err != nil {
		return fmt.Errorf("seal channel %s: %w", after.ID, err)
	}
	return nil
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Channel) error {
	count, err := channeldb.New(tx).ArchiveChannel(ctx, channeldb.ArchiveChannelParams{OrgID: org, ChannelID: id})
	if err == nil && count == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return missing(err, id)
	}
	return nil
}

// get returns a channel, and with a box its secrets.
func get(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org, id ident.Channel) (Channel, secrets, error) {
	row, err := channeldb.New(tx).GetChannel(ctx, channeldb.GetChannelParams{OrgID: org, ChannelID: id})
	if err != nil {
		return Channel{}, secrets{}, missing(err, id)
	}
	var keep secrets
	if box != nil && row.Sealed != nil {
		ring, err := box.Ring(ctx, tx, org)
		if err != nil {
			return Channel{}, secrets{}, err
		}
		opened, err := ring.Open(row.KeyVersion, place(id), row.Sealed)
		if err != nil {
			return Channel{}, secrets{}, err
		}
		if err := json.Unmarshal([]byte(opened.Reveal()), &keep); err != nil {
			return Channel{}, secrets{}, errors.New("the sealed part of a channel cannot be read") // the cause would show it
		}
	}
	return fromRow(row), keep, nil
}

func list(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Channel, error) {
	rows, err := channeldb.New(tx).ListChannels(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list channels of %s: %w", org, err)
	}
	all := make([]Channel, len(rows))
	for i, row := range rows {
		all[i] = fromRow(channeldb.GetChannelRow(row))
	}
	return all, nil
}

func orgName(ctx context.Context, tx pgx.Tx, org ident.Org) (string, error) {
	name, err := channeldb.New(tx).OrgName(ctx, org)
	if err != nil {
		return "", fmt.Errorf("name of organization %s: %w", org, err)
	}
	return name, nil
}

func insertDelivery(ctx context.Context, tx pgx.Tx, org ident.Org, to ident.Channel, m Message, now time.Time) (ident.Delivery, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return ident.Delivery{}, fmt.Errorf("encode message: %w", err)
	}
	id := ident.New[ident.Delivery]()
	err = channeldb.New(tx).InsertDelivery(ctx, channeldb.InsertDeliveryParams{
		OrgID: org, DeliveryID: id, ChannelID: to, AlertID: m.Alert, Event: string(m.Event), Message: text, Now: now,
	})
	if err != nil {
		return ident.Delivery{}, fmt.Errorf("insert delivery: %w", err)
	}
	return id, nil
}

// pending is a delivery that waits for its next attempt.
type pending struct {
	channel  ident.Channel
	message  Message
	state    State
	attempts int
	nextAt   time.Time // zero: it is at its end
}

func lockDelivery(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Delivery) (pending, error) {
	row, err := channeldb.New(tx).LockDelivery(ctx, channeldb.LockDeliveryParams{OrgID: org, DeliveryID: id})
	if err != nil {
		return pending{}, missingDelivery(err, id)
	}
	found := pending{channel: row.ChannelID, state: State(row.State), attempts: int(row.Attempts)}
	if row.NextAt != nil {
		found.nextAt = *row.NextAt
	}
	if err := json.Unmarshal(row.Message, &found.message); err != nil {
		return pending{}, fmt.Errorf("decode message of %s: %w", id, err)
	}
	return found, nil
}

func beginAttempt(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Delivery) error {
	if err := channeldb.New(tx).BeginAttempt(ctx, channeldb.BeginAttemptParams{OrgID: org, DeliveryID: id}); err != nil {
		return fmt.Errorf("begin an attempt at %s: %w", id, err)
	}
	return nil
}

func endAttempt(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Delivery, state State, got answer, next, finished *time.Time) error {
	err := channeldb.New(tx).EndAttempt(ctx, channeldb.EndAttemptParams{
		OrgID: org, DeliveryID: id, State: string(state), Status: int32(got.status), Answer: got.text, NextAt: next, FinishedAt: finished,
	})
	if err != nil {
		return fmt.Errorf("note an attempt at %s: %w", id, err)
	}
	return nil
}

func requeue(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Delivery, now time.Time) error {
	count, err := channeldb.New(tx).RequeueDelivery(ctx, channeldb.RequeueDeliveryParams{OrgID: org, DeliveryID: id, Now: now})
	if err != nil {
		return fmt.Errorf("send %s again: %w", id, err)
	}
	if count == 0 {
		return fault.New(fault.Conflict, "it is still being delivered; wait for its next attempt")
	}
	return nil
}

func getDelivery(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Delivery) (Delivery, error) {
	row, err := channeldb.New(tx).GetDelivery(ctx, channeldb.GetDeliveryParams{OrgID: org, DeliveryID: id})
	if err != nil {
		return Delivery{}, missingDelivery(err, id)
	}
	return deliveryFromRow(row)
}

func deliveriesOfChannel(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Channel) ([]Delivery, error) {
	rows, err := channeldb.New(tx).ListDeliveriesOfChannel(ctx, channeldb.ListDeliveriesOfChannelParams{OrgID: org, ChannelID: id})
	if err != nil {
		return nil, fmt.Errorf("list deliveries of channel %s: %w", id, err)
	}
	all := make([]Delivery, len(rows))
	for i, row := range rows {
		if all[i], err = deliveryFromRow(channeldb.GetDeliveryRow(row)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// DeliveriesOf returns the deliveries of alerts, oldest first, inside a transaction that has entered org.
func DeliveriesOf(ctx context.Context, tx pgx.Tx, org ident.Org, alerts []ident.Alert) (map[ident.Alert][]Delivery, error) {
	ids := make([]uuid.UUID, len(alerts))
	for i, id := range alerts {
		ids[i] = id.UUID
	}
	rows, err := channeldb.New(tx).ListDeliveriesOfAlerts(ctx, channeldb.ListDeliveriesOfAlertsParams{OrgID: org, Alerts: ids})
	if err != nil {
		return nil, fmt.Errorf("list deliveries of alerts: %w", err)
	}
	all := map[ident.Alert][]Delivery{}
	for _, row := range rows {
		one, err := deliveryFromRow(channeldb.GetDeliveryRow(row))
		if err != nil {
			return nil, err
		}
		all[one.AlertID] = append(all[one.AlertID], one)
	}
	return all, nil
}

func deliveryFromRow(row channeldb.GetDeliveryRow) (Delivery, error) {
	var m Message
	if err := json.Unmarshal(row.Message, &m); err != nil {
		return Delivery{}, fmt.Errorf("decode message of %s: %w", row.DeliveryID, err)
	}
	return Delivery{
		ID: row.DeliveryID, ChannelID: row.ChannelID, ChannelName: row.ChannelName, Kind: Kind(row.Kind), AlertID: row.AlertID, Event: Event(row.Event),
		Title: m.heading(), State: State(row.State), Attempts: int(row.Attempts), Status: int(row.Status), Answer: row.Answer, CreatedAt: row.CreatedAt,
		NextAt: row.NextAt, FinishedAt: row.FinishedAt,
	}, nil
}

// lock seals what is secret of a channel; e-mail has nothing.
func lock(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org, id ident.Channel, kind Kind, keep secrets) (sealed []byte, version int32, err error) {
	if kind == Email {
		return nil, 0, nil
	}
	text, err := json.Marshal(keep)
	if err != nil {
		return nil, 0, fmt.Errorf("encode the channel's secrets: %w", err)
	}
	return box.Seal(ctx, tx, org, place(id), seal.NewSecret(string(text)))
}

func place(id ident.Channel) seal.Place {
	return seal.Place{Table: "channel", Row: id.UUID, Column: "sealed"}
}

func fromRow(row channeldb.GetChannelRow) Channel {
	topics := make([]Topic, len(row.Topics))
	for i, topic := range row.Topics {
		topics[i] = Topic(topic)
	}
	return Channel{
		ID: row.ChannelID, Name: row.Name, Kind: Kind(row.Kind), Addresses: row.Addresses, Host: row.Host,
		SeverityMin: SeverityOf(int(row.SeverityMin)), Topics: topics, CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func texts(topics []Topic) []string {
	all := make([]string, len(topics))
	for i, topic := range topics {
		all[i] = string(topic)
	}
	return all
}

func taken(err error, name, doing string) error {
	if tenant.Violates(err, "channel_name_key") {
		return fault.Taken("name", "a channel named %q exists already; choose another name", name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Channel) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no channel %s", id)
	}
	return fmt.Errorf("channel %s: %w", id, err)
}

func missingDelivery(err error, id ident.Delivery) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no delivery %s", id)
	}
	return fmt.Errorf("delivery %s: %w", id, err)
}
