package ingest

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// queue keeps statements that answer nothing or one number, and sends them to Postgres together.
type queue struct {
	batch pgx.Batch
	into  *int64 // what the next statement answers; nil: nothing
}

// Exec puts a statement off until send.
func (q *queue) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	queued := q.batch.Queue(sql, args...)
	if into := q.into; into != nil {
		queued.QueryRow(func(row pgx.Row) error { return row.Scan(into) })
		q.into = nil
	}
	return pgconn.CommandTag{}, nil
}

var errAnswer = errors.New("a statement that answers something cannot be put off")

// Query refuses.
func (q *queue) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errAnswer }

// QueryRow refuses.
func (q *queue) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errAnswer }

// send runs the statements in their order until one fails.
func (q *queue) send(ctx context.Context, tx pgx.Tx) error {
	if q.batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &q.batch).Close()
}
