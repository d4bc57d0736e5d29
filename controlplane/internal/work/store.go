package work

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/work/internal/workdb"
)

// space is the first half of the advisory locks by which workers show that they live; the second is the worker's number.
const space = 7_046_012

// live returns a session that holds the worker's number.
func live(ctx context.Context, pool *pgxpool.Pool, number int32) (*pgxpool.Conn, error) {
	session, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	if err := workdb.New(session).Live(ctx, workdb.LiveParams{Space: space, Worker: number}); err != nil {
		session.Release()
		return nil, fmt.Errorf("hold the worker's number: %w", err)
	}
	return session, nil
}

// reclaim gives back the jobs of workers that are gone and returns how many.
func reclaim(ctx context.Context, session *pgxpool.Conn, number int32) (int64, error) {
	count, err := workdb.New(session).Reclaim(ctx, workdb.ReclaimParams{Space: space, Worker: number})
	if err != nil {
		return 0, fmt.Errorf("take over jobs: %w", err)
	}
	return count, nil
}

// drop closes a session, and with it gives up the number.
func drop(session *pgxpool.Conn) {
	conn := session.Hijack()
	ctx, cancel := context.WithTimeout(context.Background(), reclaimMax)
	defer cancel()
	_ = conn.Close(ctx)
}
