package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

const (
	hitsAtOnce = 24 // hours
	hitsRounds = 50 // for a page: more hours than a month has

	// Sums under these may hold calls with any value, beyond the bounds of ingest, and with any model.
	otherValues = "(other)"
	noRoute     = "(no route)"
)

// hits are the sums by one dimension in which what a filter asks for is counted, and the values under which it may be; or those by all dimensions.
type hits struct {
	slicing
	names, among []string
	all          *Filter
}

// hits are where hours without any call that the filter lets through can be told. What is rarest as a rule comes first. Of several things that calls
// have together, and of codes, the sums by all dimensions know.
func (f *Filter) hits() (all []hits) {
	tagged, plain := f.taggedHits(), f.plainHits()
	if f.Code != "" || len(plain) > 1 {
		plain = []hits{{all: f}}
	}
	return append(tagged, plain...)
}

func (f *Filter) taggedHits() (all []hits) {
	if f.EndUser != "" {
		all = append(all, hits{slicing{"end_user", ""}, []string{""}, []string{f.EndUser, otherValues}, nil})
	}
	if f.LabelName != "" {
		all = append(all, hits{slicing{"label", f.LabelName}, []string{f.LabelName, otherValues}, []string{f.LabelValue, otherValues}, nil})
	}
	return all
}

func (f *Filter) plainHits() (all []hits) {
	for _, by := range []struct {
		dimension string
		id        uuid.UUID
	}{
		{"virtual_key", f.VirtualKeyID.UUID},
		{"agent", f.AgentID.UUID},
		{"route", f.RouteID.UUID},
		{"workspace", f.WorkspaceID.UUID},
		{"provider", f.ProviderID.UUID},
	} {
		if by.id != uuid.Nil {
			all = append(all, hits{slicing{by.dimension, ""}, []string{""}, []string{by.id.String()}, nil})
		}
	}
	if f.Outcome != "" {
		all = append(all, hits{slicing{"outcome", ""}, []string{""}, []string{f.Outcome}, nil})
	}
	if f.Model != "" {
		all = append(all, hits{slicing{"model", ""}, []string{""}, []string{f.Model, noRoute}, nil})
	}
	return all
}

// matching lists a page from a place on, as events does, but reads those hours alone whose sums say that there may be something. A page of fewer
// than asked for ends where it ceased to look: rest; a zero time: there is no more.
func (f Filter) matching(ctx context.Context, tx pgx.Tx, org ident.Org, from place) (all []Event, rest place, err error) {
	by := f.hits()
	if len(by) == 0 {
		all, err = events(ctx, tx, org, f, from, ident.Event{})
		return all, place{}, err
	}
	since, before := f.From.Truncate(time.Hour), earlier(f.To, from.at.Add(time.Microsecond))
	for round := range hitsRounds {
		hours, next, err := hoursWithAll(ctx, tx, org, by, since, before)
		if err != nil {
			return nil, place{}, err
		}
		if found, err := f.inHours(ctx, tx, org, from, hours, f.Limit-len(all)); err != nil {
			return nil, place{}, err
		} else if all = append(all, found...); len(all) == f.Limit || next.IsZero() {
			return all, place{}, nil
		}
		if round == 0 { // sums are kept for longer than calls are
			kept, err := oldest(ctx, tx, org)
			if err != nil || kept.IsZero() {
				return all, place{}, err
			}
			since = later(since, kept.Truncate(time.Hour))
		}
		before = next
	}
	return all, place{at: before, event: uuid.Max}, nil
}

// inHours lists what is in some hours, newest first.
func (f Filter) inHours(ctx context.Context, tx pgx.Tx, org ident.Org, from place, hours []time.Time, most int) (all []Event, err error) {
	start, end := f.From, f.To
	for first := 0; first < len(hours) && len(all) < most; {
		last := first + 1
		for last < len(hours) && hours[last].Add(time.Hour).Equal(hours[last-1]) {
			last++
		}
		f.From, f.To, f.Limit = later(start, hours[last-1]), earlier(end, hours[first].Add(time.Hour)), most-len(all)
		found, err := events(ctx, tx, org, f, from, ident.Event{})
		if err != nil {
			return nil, err
		}
		all, first = append(all, found...), last
	}
	return all, nil
}

// hoursWithAll lists the newest hours of a range, newest first, that have hits in all sums, and before when there may be more of them; zero: there
// are no more.
func hoursWithAll(ctx context.Context, tx pgx.Tx, org ident.Org, by []hits, since, before time.Time) (all []time.Time, next time.Time, err error) {
	for i, one := range by {
		hours, more, err := one.hours(ctx, tx, org, since, before)
		if err != nil || len(hours) == 0 {
			return nil, more, err
		}
		before, next = hours[0].Add(time.Hour), later(next, more)
		if i == 0 {
			all = hours
			continue
		}
		all = slices.DeleteFunc(all, func(hour time.Time) bool { return !slices.ContainsFunc(hours, hour.Equal) })
	}
	if next.IsZero() {
		return all, next, nil
	}
	all = slices.DeleteFunc(all, func(hour time.Time) bool { return hour.Before(next) }) // one of the lists ended there
	return all, earlier(next, before), nil
}

// hours lists the newest hours of a range that have hits, and before when there may be more; zero: there are no more.
func (h hits) hours(ctx context.Context, tx pgx.Tx, org ident.Org, since, before time.Time) (hours []time.Time, more time.Time, err error) {
	if h.all != nil {
		return h.all.hoursWith(ctx, tx, org, since, before)
	}
	hours, err = usagedb.New(tx).ListHits(ctx, usagedb.ListHitsParams{
		OrgID: org, Dimension: h.dimension, Names: h.names, Among: h.among, FromHour: since, Until: before, Source: h.source(), AtMost: hitsAtOnce,
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list hours of %s by %s: %w", org, h.dimension, err)
	}
	if len(hours) == hitsAtOnce {
		more = hours[hitsAtOnce-1]
	}
	return hours, more, nil
}

// hoursWith lists the newest hours of a range in which calls may have together what the filter asks for: those of the newest day that has such.
func (f *Filter) hoursWith(ctx context.Context, tx pgx.Tx, org ident.Org, since, before time.Time) (hours []time.Time, more time.Time, err error) {
	asked := usagedb.ListDayWithParams{
		OrgID: org, FromHour: since, Until: before, Workspace: orNone(f.WorkspaceID.UUID), Agent: orNone(f.AgentID.UUID), VirtualKey: orNone(f.VirtualKeyID.UUID),
		Provider: orNone(f.ProviderID.UUID), Route: orNone(f.RouteID.UUID), Model: f.Model, NoRoute: noRoute, Outcome: f.Outcome, Code: f.Code,
	}
	days, err := usagedb.New(tx).ListDayWith(ctx, asked)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list days of %s: %w", org, err)
	}
	if len(days) == 0 {
		return nil, time.Time{}, nil
	}
	first := later(since, days[0])
	asked.FromHour, asked.Until = first, earlier(before, days[0].Add(dayLong))
	hours, err = usagedb.New(tx).ListHoursWith(ctx, usagedb.ListHoursWithParams(asked))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list hours of %s: %w", org, err)
	}
	if first.After(since) {
		more = first
	}
	return hours, more, nil
}
