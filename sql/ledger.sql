-- Lock order of everything that moves money: organizations by id; in one organization first the accounts that are missing are made, by
-- (budget_id, period_start, subject), then all that a transaction needs are locked in that order; who finds that one was
-- folded away between the two begins anew. What an account's lock holds still: its
-- leases. Who claims then shares the budget, which who changes a limit or ends a raise has alone, so that nothing is granted by the old limit
-- once the new one is committed. Raises also come and go by the clock of Postgres, which is one for all control planes; the guard asks it again.

-- name: FindPeriods :many
SELECT p.budget_id, p.period_start, p.subject
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject
) AS u
JOIN budget_period p ON p.org_id = $1 AND p.budget_id = u.budget AND p.period_start = u.start AND p.subject = u.subject;

-- name: FindFolded :many
-- The periods in which accounts were folded.
SELECT DISTINCT p.budget_id, p.period_start
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start
) AS u
JOIN budget_period p ON p.org_id = $1 AND p.budget_id = u.budget AND p.period_start = u.start AND p.subject = '' AND p.folded > 0;

-- name: ShareTerms :many
-- The period cannot change between the making of an account and its commit.
SELECT budget_id, period, time_zone
FROM budget
WHERE org_id = $1 AND budget_id = ANY (sqlc.arg(budgets)::pg_catalog.uuid[])
ORDER BY budget_id
FOR SHARE;

-- name: EnsurePeriods :exec
-- No end is said as 'epoch'.
INSERT INTO budget_period (org_id, budget_id, period_start, subject, period_end)
SELECT $1, u.budget, u.start, u.subject, nullif(u.ends, 'epoch')
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(ends)::timestamptz[]) AS ends
) AS u
ORDER BY u.budget, u.start, u.subject COLLATE "C"
ON CONFLICT DO NOTHING;

-- name: LockPeriods :many
SELECT p.budget_id, p.period_start, p.subject, p.spent, p.leased, p.in_doubt
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject
) AS u
JOIN budget_period p ON p.org_id = $1 AND p.budget_id = u.budget AND p.period_start = u.start AND p.subject = u.subject
ORDER BY p.budget_id, p.period_start, p.subject
FOR UPDATE OF p;

-- name: ListTerms :many
-- Reads the terms in the transaction that holds the accounts' locks, and keeps them as they are until it ends.
SELECT budget_id, (limit_pico + budget_raised(org_id, budget_id, clock_timestamp()))::numeric AS in_force, (archived_at IS NOT NULL)::boolean AS archived
FROM budget
WHERE org_id = $1 AND budget_id = ANY (sqlc.arg(budgets)::pg_catalog.uuid[])
ORDER BY budget_id
FOR SHARE;

-- name: ListLeases :many
SELECT l.budget_id, l.period_start, l.subject, l.lease_no, l.granted_total, l.returned_total, l.settled_total, l.doubted_total,
  l.presumed_total, l.ahead_total, l.closed
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(numbers)::bigint[]) AS number
) AS u
JOIN budget_lease l ON l.org_id = $1 AND l.edge_id = $2 AND l.budget_id = u.budget AND l.period_start = u.start AND l.subject = u.subject
  AND l.lease_no = u.number;

-- name: CountActiveEdges :many
-- The other edges that used an account lately.
SELECT l.budget_id, l.period_start, l.subject, count(DISTINCT l.edge_id) AS edges
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject
) AS u
JOIN budget_lease l ON l.org_id = $1 AND l.edge_id <> $2 AND l.budget_id = u.budget AND l.period_start = u.start AND l.subject = u.subject
  AND l.updated_at > sqlc.arg(since)
GROUP BY l.budget_id, l.period_start, l.subject;

-- name: SavePeriods :execrows
-- The guard: nothing is granted past the limit, whatever was computed before.
UPDATE budget_period p SET spent = u.spent::numeric, leased = u.leased::numeric, in_doubt = u.in_doubt::numeric, used_at = now()
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(spent)::text[]) AS spent,
    unnest(sqlc.arg(leased)::text[]) AS leased,
    unnest(sqlc.arg(in_doubt)::text[]) AS in_doubt,
    unnest(sqlc.arg(grants)::boolean[]) AS grants
) AS u, budget b
WHERE p.org_id = $1 AND p.budget_id = u.budget AND p.period_start = u.start AND p.subject = u.subject
  AND b.org_id = p.org_id AND b.budget_id = p.budget_id
  AND (NOT u.grants OR u.spent::numeric + u.leased::numeric + u.in_doubt::numeric <= b.limit_pico + budget_raised(b.org_id, b.budget_id, clock_timestamp()));

-- name: SaveLeases :exec
INSERT INTO budget_lease (org_id, budget_id, period_start, subject, edge_id, lease_no, granted_total, returned_total, settled_total,
  doubted_total, presumed_total, ahead_total, closed, updated_at)
SELECT $1, u.budget, u.start, u.subject, sqlc.arg(edge_id)::uuid, u.number, u.granted, u.returned, u.settled, u.doubted, u.presumed, u.ahead, u.closed,
  sqlc.arg(updated_at)
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(numbers)::bigint[]) AS number,
    unnest(sqlc.arg(granted)::bigint[]) AS granted,
    unnest(sqlc.arg(returned)::bigint[]) AS returned,
    unnest(sqlc.arg(settled)::bigint[]) AS settled,
    unnest(sqlc.arg(doubted)::bigint[]) AS doubted,
    unnest(sqlc.arg(presumed)::bigint[]) AS presumed,
    unnest(sqlc.arg(ahead)::bigint[]) AS ahead,
    unnest(sqlc.arg(closed)::boolean[]) AS closed
) AS u
ON CONFLICT (org_id, budget_id, period_start, subject, edge_id, lease_no) DO UPDATE SET
  granted_total = excluded.granted_total, returned_total = excluded.returned_total, settled_total = excluded.settled_total,
  doubted_total = excluded.doubted_total, presumed_total = excluded.presumed_total, ahead_total = excluded.ahead_total,
  closed = excluded.closed, updated_at = excluded.updated_at;

-- name: DropEmptyLeases :execrows
-- Waits for nobody, so that it needs no place in the lock order.
DELETE FROM budget_lease
WHERE (org_id, budget_id, period_start, subject, edge_id, lease_no) IN (
  SELECT l.org_id, l.budget_id, l.period_start, l.subject, l.edge_id, l.lease_no
  FROM budget_lease l
  WHERE l.org_id = $1 AND l.closed AND l.granted_total - l.returned_total - l.settled_total = 0 AND l.doubted_total = 0 AND l.presumed_total = 0
    AND l.updated_at < sqlc.arg(before)
  ORDER BY l.updated_at
  LIMIT $2
  FOR UPDATE SKIP LOCKED
);

-- name: ListHolders :many
SELECT l.budget_id, l.period_start, l.subject, l.edge_id, l.lease_no
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject
) AS u
JOIN budget_lease l ON l.org_id = $1 AND l.edge_id <> $2 AND l.budget_id = u.budget AND l.period_start = u.start AND l.subject = u.subject
  AND l.granted_total - l.returned_total - l.settled_total > 0
ORDER BY l.budget_id, l.period_start, l.subject, l.edge_id, l.lease_no
LIMIT 10000;

-- name: ListBeyond :many
-- What edges hold of a budget's open accounts that pass the limit in force.
SELECT l.period_start, l.subject, l.edge_id, l.lease_no
FROM (
  SELECT o.org_id, o.budget_id, o.limit_pico + budget_raised(o.org_id, o.budget_id, clock_timestamp()) AS in_force
  FROM budget o
  WHERE o.org_id = $1 AND o.budget_id = $2
  OFFSET 0
) b
JOIN budget_period p ON p.org_id = b.org_id AND p.budget_id = b.budget_id AND (p.period_end IS NULL OR p.period_end > now())
  AND p.leased > 0 AND p.spent + p.leased + p.in_doubt > b.in_force
JOIN budget_lease l ON l.org_id = p.org_id AND l.budget_id = p.budget_id AND l.period_start = p.period_start AND l.subject = p.subject
  AND l.granted_total - l.returned_total - l.settled_total > 0
ORDER BY l.period_start, l.subject, l.edge_id, l.lease_no
LIMIT 10000;

-- name: ListOutstanding :many
-- What one edge holds, or could be granted.
SELECT budget_id, period_start, subject, lease_no
FROM budget_lease
WHERE org_id = $1 AND edge_id = $2 AND (granted_total - returned_total - settled_total > 0 OR NOT closed)
ORDER BY budget_id, period_start, subject, lease_no
LIMIT 1000000;

-- name: ListFoldOrgs :many
-- @sqlc-vet-disable org-id-required
-- Every organization has a generation; the zero id is the platform's.
SELECT org_id
FROM generation
WHERE org_id <> '00000000-0000-0000-0000-000000000000'
ORDER BY org_id
LIMIT 1000000;

-- name: ListOver :many
-- Accounts of subjects whose period, or whose run, has been over for long, with nothing leased, in doubt or released as spent.
SELECT p.budget_id, p.period_start, p.period_end, p.subject
FROM (
  SELECT e.org_id, e.budget_id, e.period_start, e.period_end, e.subject, e.leased, e.in_doubt, e.used_at
  FROM budget_period e
  WHERE e.org_id = $1 AND e.period_end < sqlc.arg(before)::timestamptz
  UNION ALL
  SELECT r.org_id, r.budget_id, r.period_start, r.period_end, r.subject, r.leased, r.in_doubt, r.used_at
  FROM budget b
  JOIN budget_period r ON r.org_id = b.org_id AND r.budget_id = b.budget_id AND r.period_end IS NULL
  WHERE b.org_id = $1 AND b.scope = 'run'
) p
WHERE p.subject <> '' AND p.leased = 0 AND p.in_doubt = 0 AND p.used_at < sqlc.arg(before)::timestamptz
  AND NOT EXISTS (
    SELECT 1 FROM budget_lease l
    WHERE l.org_id = p.org_id AND l.budget_id = p.budget_id AND l.period_start = p.period_start AND l.subject = p.subject
      AND (l.granted_total - l.returned_total - l.settled_total <> 0 OR l.doubted_total <> 0 OR l.presumed_total <> 0)
  )
ORDER BY p.budget_id, p.period_start, p.subject
LIMIT $2;

-- name: FoldAccounts :one
-- Adds accounts to that of nobody, which is locked, and deletes them with all that hangs on them. Who uses one now keeps it.
WITH over AS MATERIALIZED (
  SELECT p.subject
  FROM budget_period p
  WHERE p.org_id = $1 AND p.budget_id = $2 AND p.period_start = $3 AND p.subject = ANY (sqlc.arg(subjects)::text[])
    AND p.subject <> '' AND p.leased = 0 AND p.in_doubt = 0 AND p.used_at < sqlc.arg(before)::timestamptz
  FOR UPDATE SKIP LOCKED
), doubts AS (
  DELETE FROM budget_doubt d USING over o
  WHERE d.org_id = $1 AND d.budget_id = $2 AND d.period_start = $3 AND d.subject = o.subject
), leases AS (
  DELETE FROM budget_lease l USING over o
  WHERE l.org_id = $1 AND l.budget_id = $2 AND l.period_start = $3 AND l.subject = o.subject
), gone AS (
  DELETE FROM budget_period p USING over o
  WHERE p.org_id = $1 AND p.budget_id = $2 AND p.period_start = $3 AND p.subject = o.subject
  RETURNING p.spent
)
UPDATE budget_period w SET spent = w.spent + s.spent, folded = w.folded + s.accounts
FROM (SELECT coalesce(sum(gone.spent), 0) AS spent, count(*) AS accounts FROM gone) s
WHERE w.org_id = $1 AND w.budget_id = $2 AND w.period_start = $3 AND w.subject = ''
RETURNING s.accounts;

-- name: NotifyRecall :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row.
SELECT pg_notify('tollgate_recall', sqlc.arg(payload)::text);

-- name: NoteDoubts :exec
INSERT INTO budget_doubt (org_id, event_id, budget_id, period_start, subject, pico)
SELECT $1, u.event, u.budget, u.start, u.subject, u.pico
FROM (
  SELECT unnest(sqlc.arg(events)::pg_catalog.uuid[]) AS event,
    unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(picos)::bigint[]) AS pico
) AS u
JOIN budget_period p ON p.org_id = $1 AND p.budget_id = u.budget AND p.period_start = u.start AND p.subject = u.subject
ON CONFLICT DO NOTHING;

-- name: ListDoubts :many
SELECT event_id, period_start, subject, pico, noted_at
FROM budget_doubt
WHERE org_id = $1 AND budget_id = $2 AND released_at IS NULL
  AND (sqlc.arg(first)::boolean OR noted_at < sqlc.arg(at)::timestamptz OR noted_at = sqlc.arg(at)::timestamptz AND event_id > sqlc.arg(event)::uuid)
ORDER BY noted_at DESC, event_id
LIMIT $3;

-- name: LockDoubted :many
-- The accounts of a budget in which something is in doubt.
SELECT period_start, subject, in_doubt
FROM budget_period
WHERE org_id = $1 AND budget_id = $2 AND in_doubt > 0
ORDER BY period_start, subject
FOR UPDATE;

-- name: DoubtsOfEvent :many
SELECT budget_id, period_start, subject
FROM budget_doubt
WHERE org_id = $1 AND event_id = $2 AND released_at IS NULL
ORDER BY budget_id, period_start, subject
LIMIT 1000;

-- name: ReleaseEvent :many
-- The accounts are locked.
UPDATE budget_doubt SET released_at = sqlc.arg(at)::timestamptz, as_spent = sqlc.arg(spent)::boolean
WHERE org_id = $1 AND event_id = $2 AND released_at IS NULL
RETURNING budget_id, period_start, subject, pico;

-- name: ReleaseEvents :exec
-- All calls in doubt of one account, which is locked.
UPDATE budget_doubt SET released_at = sqlc.arg(at)::timestamptz, as_spent = sqlc.arg(spent)::boolean
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND subject = $4 AND released_at IS NULL;

-- name: ReleaseLeases :exec
-- What lost edges held of one account, which is locked. Usage that comes after all counts only beyond what was released as spent.
UPDATE budget_lease SET presumed_total = presumed_total + CASE WHEN sqlc.arg(spent)::boolean THEN doubted_total ELSE 0 END, doubted_total = 0
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND subject = $4 AND doubted_total > 0;

-- name: ReleaseAccount :exec
UPDATE budget_period SET in_doubt = in_doubt - sqlc.arg(pico)::numeric,
  spent = spent + CASE WHEN sqlc.arg(as_spent)::boolean THEN sqlc.arg(pico)::numeric ELSE 0 END
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND subject = $4;

-- name: WhichBooks :one
-- @sqlc-vet-disable org-id-required
-- Speaks of the books as a whole. A restored Postgres has begun anew. Lend is null while nobody has decided.
SELECT b.books, v.lend
FROM (SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS books) AS b LEFT JOIN vouched v ON v.books = b.books;

-- name: Vouch :exec
-- @sqlc-vet-disable org-id-required
-- Speaks of the books as a whole. What was said before is overruled only with over.
INSERT INTO vouched AS v (books, lend) VALUES ($1, $2)
ON CONFLICT (books) DO UPDATE SET lend = excluded.lend, at = excluded.at WHERE v.lend <> excluded.lend AND sqlc.arg(over)::boolean;

-- name: IsBroken :one
-- @sqlc-vet-disable org-id-required
-- Speaks of the books as a whole. Whether since those with that number there were some that could not be lent from in the end: what edges told
-- them hides what may still be missing.
SELECT EXISTS (SELECT FROM vouched WHERE books > $1 AND NOT lend)::boolean AS broken;

-- name: CountMissing :one
-- How many grants the books do not have.
SELECT count(*)
FROM (
  SELECT unnest(sqlc.arg(budgets)::pg_catalog.uuid[]) AS budget,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(subjects)::text[]) AS subject,
    unnest(sqlc.arg(edges)::pg_catalog.uuid[]) AS edge,
    unnest(sqlc.arg(numbers)::bigint[]) AS number,
    unnest(sqlc.arg(granted)::bigint[]) AS granted
) AS u
WHERE NOT EXISTS (
  SELECT FROM budget_lease l
  WHERE l.org_id = $1 AND l.budget_id = u.budget AND l.period_start = u.start AND l.subject = u.subject AND l.edge_id = u.edge AND l.lease_no = u.number
    AND l.granted_total >= u.granted
);

-- name: SaveTold :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. What an edge has told it does not take back: its next process goes on from the same leases.
INSERT INTO edge_told AS t (edge_id, seen, told) VALUES ($1, sqlc.arg(books)::bigint, sqlc.arg(told)::bigint)
ON CONFLICT (edge_id) DO UPDATE SET seen = excluded.seen, told = CASE WHEN excluded.told = excluded.seen THEN excluded.told ELSE t.told END
WHERE t.seen <> excluded.seen OR excluded.told = excluded.seen AND t.told <> excluded.told;

-- name: CountUntold :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. How many that were connected as far as these books know, or have come since they began, have not told them
-- all. Edges of before, which tell nothing, have no row.
SELECT count(*)
FROM edge_told t LEFT JOIN edge e USING (edge_id)
WHERE t.told <> sqlc.arg(books)::bigint AND (t.seen = sqlc.arg(books)::bigint OR e.connected_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM edge_epoch p WHERE p.edge_id = e.edge_id AND p.epoch = e.epoch AND p.fenced_at IS NOT NULL);

-- name: EventDoubts :many
-- What one call left in doubt, released since or not.
SELECT budget_id, period_start, subject, pico, (released_at IS NOT NULL)::boolean AS released, coalesce(as_spent, false)::boolean AS as_spent
FROM budget_doubt
WHERE org_id = $1 AND event_id = $2
ORDER BY budget_id, period_start, subject
LIMIT 1000;

-- name: DoubtedAccounts :many
-- The accounts in which calls left something in doubt, released since or not.
SELECT DISTINCT budget_id, period_start, subject
FROM budget_doubt
WHERE org_id = $1 AND event_id = ANY (sqlc.arg(events)::pg_catalog.uuid[])
ORDER BY budget_id, period_start, subject
LIMIT 1000000;

-- name: SettleAccount :exec
-- The account is locked.
UPDATE budget_period SET in_doubt = in_doubt - sqlc.arg(ended)::numeric, spent = greatest(spent + sqlc.arg(spent)::numeric, 0)
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND subject = $4;
