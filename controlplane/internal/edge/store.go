package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/edge/internal/edgedb"
	"tollgate.dev/controlplane/internal/ident"
)

func list(ctx context.Context, tx pgx.Tx, org ident.Org, now time.Time) ([]Edge, error) {
	queries := edgedb.New(tx)
	current, err := queries.CurrentGeneration(ctx, org)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read generation of %s: %w", org, err)
	}
	rows, err := queries.ListEdges(ctx, org.UUID)
	if err != nil {
		return nil, fmt.Errorf("list edges: %w", err)
	}
	all := make([]Edge, len(rows))
	for i, row := range rows {
		all[i] = Edge{
			ID: row.EdgeID, Name: row.Name, Region: row.Region, Version: row.Version, LastSeenAt: row.LastSeenAt,
			Connected:  row.ConnectedAt != nil && now.Sub(row.LastSeenAt) < seenWithin,
			Generation: unsigned(row.Generation), Current: unsigned(&current), AckedAt: row.AckedAt,
			NackGeneration: unsigned(row.NackGeneration), SpoolPending: row.SpoolPending, SpoolBytes: row.SpoolBytes, SpoolKept: row.SpoolKeptBytes, SpoolCorrupt: row.SpoolCorrupt, Unrecorded: row.Unrecorded,
			InFlight: row.InFlight, Requests: row.Requests, ClockSkewMS: row.ClockSkewMs, Accepting: row.Accepting,
			RateCounting: row.RateCounting, CountingSince: row.RateCountingSince, LiveEdges: int(row.LiveEdges),
		}
		all[i].OpenTargets, all[i].StoppedCanaries, all[i].Refused = []OpenTarget{}, []StoppedCanary{}, []RefusedCredential{}
		if all[i].Connected {
			if err := errors.Join(json.Unmarshal(row.OpenTargets, &all[i].OpenTargets), json.Unmarshal(row.StoppedCanaries, &all[i].StoppedCanaries), json.Unmarshal(row.RefusedCredentials, &all[i].Refused)); err != nil {
				return nil, fmt.Errorf("read what edge %s says of targets: %w", row.EdgeID, err)
			}
		}
		if row.LagMs != nil {
			all[i].LagMS = *row.LagMs
		}
		if row.NackPath != nil && row.NackReason != nil {
			all[i].NackPath, all[i].NackReason = *row.NackPath, *row.NackReason
		}
		if all[i].Generation == 0 {
			all[i].AckedAt = nil
		}
	}
	return all, nil
}

func listGaps(ctx context.Context, tx pgx.Tx, org ident.Org, since, until time.Time) ([]Gap, error) {
	rows, err := edgedb.New(tx).ListGaps(ctx, edgedb.ListGapsParams{OrgID: org, Since: since, Until: until})
	if err != nil {
		return nil, fmt.Errorf("list gaps of %s: %w", org, err)
	}
	all := make([]Gap, len(rows))
	for i, row := range rows {
		all[i] = Gap{EdgeID: row.EdgeID, Edge: row.Name, Calls: row.Calls, FirstAt: row.FirstAt, LastAt: row.LastAt}
	}
	return all, nil
}

func listRejects(ctx context.Context, tx pgx.Tx, org ident.Org, since, until time.Time) ([]Reject, error) {
	rows, err := edgedb.New(tx).ListRejects(ctx, edgedb.ListRejectsParams{OrgID: org, Since: since, Until: until})
	if err != nil {
		return nil, fmt.Errorf("list rejected records of %s: %w", org, err)
	}
	all := make([]Reject, len(rows))
	for i, row := range rows {
		all[i] = Reject{EdgeID: row.EdgeID, Edge: row.Name, Records: row.Records, LastAt: row.LastAt, LastSeq: row.LastSeq, LastReason: row.LastReason}
	}
	return all, nil
}

func getProblem(ctx context.Context, tx pgx.Tx, org ident.Org) (*Problem, error) {
	row, err := edgedb.New(tx).GetProblem(ctx, org)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the problem of %s: %w", org, err)
	}
	return &Problem{Generation: uint64(row.Generation), Path: row.Path, Reason: row.Reason, NoticedAt: row.NoticedAt}, nil
}

func unsigned(n *int64) uint64 {
	if n == nil || *n < 0 {
		return 0
	}
	return uint64(*n)
}
