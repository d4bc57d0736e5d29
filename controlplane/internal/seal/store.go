package seal

import (
	"context"
	"crypto/cipher"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal/internal/sealdb"
)

// Ring returns the organization's data keys inside a transaction that has entered org.
func (b *Box) Ring(ctx context.Context, tx pgx.Tx, org ident.Org) (*Ring, error) {
	rows, err := sealdb.New(tx).ListOrgKeys(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list data keys of %s: %w", org, err)
	}
	ring := &Ring{org: org, keys: make(map[int32]cipher.AEAD, len(rows))}
	for _, row := range rows {
		if err := b.unwrap(ring, row.Version, row.Wrapped); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

// Seal returns the ciphertext of the secret for the place and the version of the data key that it is under. The first secret of an
// organization makes its data key.
func (b *Box) Seal(ctx context.Context, tx pgx.Tx, org ident.Org, place Place, secret Secret) (sealed []byte, version int32, err error) {
	ring, err := b.Ring(ctx, tx, org)
	if err == nil && ring.newest == 0 {
		ring, err = b.begin(ctx, tx, org)
	}
	if err != nil {
		return nil, 0, err
	}
	sealed, version = ring.seal(place, secret)
	return sealed, version, nil
}

// begin makes version 1 of the data key; a concurrent transaction that was first wins.
func (b *Box) begin(ctx context.Context, tx pgx.Tx, org ident.Org) (*Ring, error) {
	err := sealdb.New(tx).InsertOrgKey(ctx, sealdb.InsertOrgKeyParams{OrgID: org, Version: 1, Wrapped: b.wrapNew(org, 1)})
	if err != nil {
		return nil, fmt.Errorf("insert data key of %s: %w", org, err)
	}
	return b.Ring(ctx, tx, org)
}
