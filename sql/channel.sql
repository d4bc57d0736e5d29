-- name: InsertChannel :exec
INSERT INTO channel (org_id, channel_id, name, kind, addresses, host, severity_min, topics, key_version, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: UpdateChannel :execrows
UPDATE channel SET name = $3, addresses = $4, severity_min = $5, topics = $6
WHERE org_id = $1 AND channel_id = $2 AND archived_at IS NULL;

-- name: SealChannel :exec
UPDATE channel SET host = $3, key_version = $4, sealed = $5
WHERE org_id = $1 AND channel_id = $2 AND archived_at IS NULL;

-- name: ArchiveChannel :execrows
UPDATE channel SET archived_at = now()
WHERE org_id = $1 AND channel_id = $2 AND archived_at IS NULL;

-- name: GetChannel :one
SELECT channel_id, name, kind, addresses, host, severity_min, topics, key_version, sealed, created_at, archived_at
FROM channel
WHERE org_id = $1 AND channel_id = $2;

-- name: ListChannels :many
SELECT channel_id, name, kind, addresses, host, severity_min, topics, key_version, sealed, created_at, archived_at
FROM channel
WHERE org_id = $1 AND archived_at IS NULL
ORDER BY name, channel_id
LIMIT 1000;

-- name: OrgName :one
SELECT name
FROM org
WHERE org_id = $1;

-- name: InsertDelivery :exec
INSERT INTO delivery (org_id, delivery_id, channel_id, alert_id, event, message, created_at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, sqlc.arg(now)::timestamptz, sqlc.arg(now)::timestamptz);

-- name: LockDelivery :one
-- Two attempts at one delivery follow each other.
SELECT channel_id, event, message, state, attempts, next_at
FROM delivery
WHERE org_id = $1 AND delivery_id = $2
FOR UPDATE;

-- name: BeginAttempt :exec
-- The attempt counts before it is made: a process that dies in it has made it.
UPDATE delivery SET attempts = attempts + 1
WHERE org_id = $1 AND delivery_id = $2;

-- name: EndAttempt :exec
UPDATE delivery SET state = $3, status = $4, answer = $5, next_at = $6, finished_at = $7
WHERE org_id = $1 AND delivery_id = $2;

-- name: RequeueDelivery :execrows
UPDATE delivery SET state = 'queued', next_at = sqlc.arg(now)::timestamptz, finished_at = NULL, attempts = 0
WHERE org_id = $1 AND delivery_id = $2 AND state IN ('delivered', 'given_up');

-- name: GetDelivery :one
SELECT d.delivery_id, d.channel_id, c.name AS channel_name, c.kind, d.alert_id, d.event, d.message, d.state, d.attempts, d.status, d.answer, d.created_at, d.next_at, d.finished_at
FROM delivery d JOIN channel c ON c.org_id = d.org_id AND c.channel_id = d.channel_id
WHERE d.org_id = $1 AND d.delivery_id = $2;

-- name: ListDeliveriesOfChannel :many
SELECT d.delivery_id, d.channel_id, c.name AS channel_name, c.kind, d.alert_id, d.event, d.message, d.state, d.attempts, d.status, d.answer, d.created_at, d.next_at, d.finished_at
FROM delivery d JOIN channel c ON c.org_id = d.org_id AND c.channel_id = d.channel_id
WHERE d.org_id = $1 AND d.channel_id = $2
ORDER BY d.created_at DESC, d.delivery_id DESC
LIMIT 50;

-- name: ListDeliveriesOfAlerts :many
SELECT d.delivery_id, d.channel_id, c.name AS channel_name, c.kind, d.alert_id, d.event, d.message, d.state, d.attempts, d.status, d.answer, d.created_at, d.next_at, d.finished_at
FROM delivery d JOIN channel c ON c.org_id = d.org_id AND c.channel_id = d.channel_id
WHERE d.org_id = $1 AND d.alert_id = ANY (sqlc.arg(alerts)::uuid[])
ORDER BY d.created_at, c.name, d.delivery_id
LIMIT 10000;
