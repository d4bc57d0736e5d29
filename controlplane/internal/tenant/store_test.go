package tenant_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/pgtest"
)

func TestATextThatNoDatabaseKeepsIsAStrangersMistake(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := db.Org(t, "texts").Org
	for query, text := range map[string]string{
		"SELECT $1::text": "a\x00b", "SELECT $1::text || ''": "a\xffb", "SELECT $1::jsonb": `{"a":"\u0000"}`,
	} {
		err := db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), query, text)
			return err
		})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s of %q: %v", query, text, err)
		}
	}
	err := db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT 1/0")
		return err
	})
	if fault.KindOf(err) != fault.Internal {
		t.Errorf("another error: %v", err)
	}
}
