-- One transaction holds a batch: organizations by id, in each of them events by id; then once more organizations by id, in each of them money (see
-- ledger.sql). Another folds one organization: what of it is folded, then hours, labels by hour, days, labels by day, slices, and runs, each by key.

-- name: SetDurable :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row: an ack is a promise that survives the loss of power. Plans do not depend on how long the lists are: none is made again.
SELECT set_config('synchronous_commit', 'on', true), set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: SetQuick :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row: what is lost with the power is done again.
SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: FreeHours :one
-- @sqlc-vet-disable org-id-required
-- Touches no row. Whether no transaction is left that began in an hour or in the next one.
SELECT (pg_try_advisory_xact_lock(704602, sqlc.arg(hour)::integer) AND pg_try_advisory_xact_lock(704602, sqlc.arg(hour)::integer + 1))::boolean AS free;

-- name: OverUntil :one
-- @sqlc-vet-disable org-id-required
-- Touches no row. Hours that begin before are over, on the database's clock, which is one for all replicas.
SELECT (date_trunc('hour', now() - interval '5 minutes', 'UTC') - interval '1 hour')::timestamptz AS until;

-- name: EnsureFold :exec
INSERT INTO usage_fold (org_id, summed_until) VALUES ($1, '-infinity') ON CONFLICT DO NOTHING;

-- name: NextHour :many
-- The first hour that is over and not folded.
SELECT h.hour
FROM usage_hour h
WHERE h.org_id = $1 AND h.hour >= (SELECT f.summed_until FROM usage_fold f WHERE f.org_id = $1) AND h.hour < sqlc.arg(until)::timestamptz
ORDER BY h.hour
LIMIT 1;

-- name: AdvanceFold :exec
UPDATE usage_fold SET summed_until = sqlc.arg(until)::timestamptz WHERE org_id = $1;

-- name: ListFoldOrgs :many
-- @sqlc-vet-disable org-id-required
-- The folder goes from one organization to the next and enters each.
SELECT org_id
FROM generation
WHERE org_id <> '00000000-0000-0000-0000-000000000000'
ORDER BY org_id
LIMIT 1000000;

-- name: LockEpoch :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
SELECT seq
FROM edge_epoch
WHERE edge_id = $1 AND epoch = $2
FOR UPDATE;

-- name: ListEpochs :many
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
SELECT epoch, seq
FROM edge_epoch
WHERE edge_id = $1
ORDER BY epoch
LIMIT 100000;

-- name: EnsureEpoch :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
INSERT INTO edge_epoch (edge_id, epoch)
SELECT e.edge_id, sqlc.arg(epoch) FROM edge e WHERE e.edge_id = sqlc.arg(edge_id)
ON CONFLICT DO NOTHING;

-- name: AdvanceEpoch :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
UPDATE edge_epoch SET seq = greatest(seq, sqlc.arg(seq)::bigint) WHERE edge_id = $1 AND epoch = $2;

-- name: InsertReject :exec
-- What names no organization that there is belongs to nobody.
INSERT INTO usage_reject (org_id, edge_id, epoch, seq, reason, record)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: ListRejectSources :many
-- What wrote records of an organization that are rejected; without an id, those of no organization that there was.
SELECT DISTINCT edge_id, epoch
FROM usage_reject
WHERE (org_id = $1 OR org_id IS NULL AND $1 IS NULL)
ORDER BY edge_id, epoch
LIMIT 10000;

-- name: ListRejects :many
SELECT seq, record
FROM usage_reject
WHERE (org_id = $1 OR org_id IS NULL AND $1 IS NULL) AND edge_id = $2 AND epoch = $3 AND seq > sqlc.arg(after_seq)
ORDER BY seq
LIMIT $4;

-- name: DropRejects :many
-- Answers which were there.
DELETE FROM usage_reject
WHERE (org_id = $1 OR org_id IS NULL AND $1 IS NULL) AND edge_id = $2 AND epoch = $3 AND seq = ANY (sqlc.arg(numbers)::bigint[])
RETURNING seq;

-- name: OrgExists :one
SELECT EXISTS (SELECT 1 FROM org WHERE org_id = $1);

-- name: RequireOrg :exec
-- Fails with a division by zero where there is no such organization.
SELECT 1 / count(*) FROM org WHERE org_id = $1;

-- name: InsertNewEvents :exec
-- A column that is empty stands for events that all have its usual value.
INSERT INTO usage_event (org_id, event_id, started_at, request_id, run_id, workspace_id, agent_id, virtual_key_id, end_user, labels, dialect,
  route_id, model, provider_id, provider_model, attempt, streamed, outcome, code, rule, http_status, duration_us, first_byte_us,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, cost_pico, bound_pico, price_id, waste,
  edge_id, generation, cache_write_hour_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens, units, service_tier, reported,
  discount_id, charges, count, saved_pico, route_version, route_path, run_source, similarity_ppm)
SELECT $1, u.event, u.started, u.request, u.run, u.workspace, u.agent, u.virtual_key, u.end_user, u.labels::jsonb, u.dialect,
  u.route, u.model, u.provider, u.provider_model, u.attempt, coalesce(u.streamed, false), u.outcome, coalesce(u.code, ''), coalesce(u.rule, ''), u.http_status, u.duration, coalesce(u.first_byte, 0),
  u.input, coalesce(u.cached_input, 0), coalesce(u.cache_write, 0), coalesce(u.output, 0), coalesce(u.reasoning, 0), coalesce(u.estimated, false), u.cost, coalesce(u.bound, 0), u.price, coalesce(u.waste, false),
  sqlc.arg(edge_id)::uuid, coalesce(u.generation, 0), coalesce(u.cache_write_hour, 0), coalesce(u.audio_input, 0), coalesce(u.audio_output, 0), coalesce(u.image_input, 0), coalesce(u.image_output, 0), coalesce(u.units::jsonb, '{}'), coalesce(u.service_tier, ''), coalesce(u.reported, false),
  u.discount, u.charges, coalesce(u.count, 1), coalesce(u.saved, 0), coalesce(u.route_version, 0), coalesce(u.route_path, ''), coalesce(u.run_source, ''), coalesce(u.similarity, 0)
FROM (
  SELECT unnest(sqlc.arg(events)::pg_catalog.uuid[]) AS event,
    unnest(sqlc.arg(started)::timestamptz[]) AS started,
    unnest(sqlc.arg(requests)::pg_catalog.uuid[]) AS request,
    unnest(sqlc.arg(runs)::text[]) AS run,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(end_users)::text[]) AS end_user,
    unnest(sqlc.arg(labels)::text[]) AS labels,
    unnest(sqlc.arg(dialects)::text[]) AS dialect,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(provider_models)::text[]) AS provider_model,
    unnest(sqlc.arg(attempts)::integer[]) AS attempt,
    unnest(sqlc.arg(streamed)::boolean[]) AS streamed,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(rules)::text[]) AS rule,
    unnest(sqlc.arg(http_statuses)::integer[]) AS http_status,
    unnest(sqlc.arg(durations)::bigint[]) AS duration,
    unnest(sqlc.arg(first_bytes)::bigint[]) AS first_byte,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(estimated)::boolean[]) AS estimated,
    unnest(sqlc.arg(costs)::bigint[]) AS cost,
    unnest(sqlc.arg(bounds)::bigint[]) AS bound,
    unnest(sqlc.arg(prices)::pg_catalog.uuid[]) AS price,
    unnest(sqlc.arg(waste)::boolean[]) AS waste,
    unnest(sqlc.arg(generations)::bigint[]) AS generation,
    unnest(sqlc.arg(counts)::bigint[]) AS count,
    unnest(sqlc.arg(saved)::bigint[]) AS saved,
    unnest(sqlc.arg(cache_write_hours)::bigint[]) AS cache_write_hour,
    unnest(sqlc.arg(audio_inputs)::bigint[]) AS audio_input,
    unnest(sqlc.arg(audio_outputs)::bigint[]) AS audio_output,
    unnest(sqlc.arg(image_inputs)::bigint[]) AS image_input,
    unnest(sqlc.arg(image_outputs)::bigint[]) AS image_output,
    unnest(sqlc.arg(units)::text[]) AS units,
    unnest(sqlc.arg(service_tiers)::text[]) AS service_tier,
    unnest(sqlc.arg(reported)::boolean[]) AS reported,
    unnest(sqlc.arg(discounts)::pg_catalog.uuid[]) AS discount,
    unnest(sqlc.arg(route_versions)::integer[]) AS route_version,
    unnest(sqlc.arg(route_paths)::text[]) AS route_path,
    unnest(sqlc.arg(run_sources)::text[]) AS run_source,
    unnest(sqlc.arg(similarities)::integer[]) AS similarity,
    unnest(sqlc.arg(charges)::bytea[]) AS charges
) AS u;

-- name: InsertEvents :many
INSERT INTO usage_event (org_id, event_id, started_at, request_id, run_id, workspace_id, agent_id, virtual_key_id, end_user, labels, dialect,
  route_id, model, provider_id, provider_model, attempt, streamed, outcome, code, rule, http_status, duration_us, first_byte_us,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, cost_pico, bound_pico, price_id, waste,
  edge_id, generation, cache_write_hour_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens, units, service_tier, reported,
  discount_id, charges, count, saved_pico, route_version, route_path, run_source, similarity_ppm)
SELECT $1, u.event, u.started, u.request, u.run, u.workspace, u.agent, u.virtual_key, u.end_user, u.labels::jsonb, u.dialect,
  u.route, u.model, u.provider, u.provider_model, u.attempt, coalesce(u.streamed, false), u.outcome, coalesce(u.code, ''), coalesce(u.rule, ''), u.http_status, u.duration, coalesce(u.first_byte, 0),
  u.input, coalesce(u.cached_input, 0), coalesce(u.cache_write, 0), coalesce(u.output, 0), coalesce(u.reasoning, 0), coalesce(u.estimated, false), u.cost, coalesce(u.bound, 0), u.price, coalesce(u.waste, false),
  sqlc.arg(edge_id)::uuid, coalesce(u.generation, 0), coalesce(u.cache_write_hour, 0), coalesce(u.audio_input, 0), coalesce(u.audio_output, 0), coalesce(u.image_input, 0), coalesce(u.image_output, 0), coalesce(u.units::jsonb, '{}'), coalesce(u.service_tier, ''), coalesce(u.reported, false),
  u.discount, u.charges, coalesce(u.count, 1), coalesce(u.saved, 0), coalesce(u.route_version, 0), coalesce(u.route_path, ''), coalesce(u.run_source, ''), coalesce(u.similarity, 0)
FROM (
  SELECT unnest(sqlc.arg(events)::pg_catalog.uuid[]) AS event,
    unnest(sqlc.arg(started)::timestamptz[]) AS started,
    unnest(sqlc.arg(requests)::pg_catalog.uuid[]) AS request,
    unnest(sqlc.arg(runs)::text[]) AS run,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(end_users)::text[]) AS end_user,
    unnest(sqlc.arg(labels)::text[]) AS labels,
    unnest(sqlc.arg(dialects)::text[]) AS dialect,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(provider_models)::text[]) AS provider_model,
    unnest(sqlc.arg(attempts)::integer[]) AS attempt,
    unnest(sqlc.arg(streamed)::boolean[]) AS streamed,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(rules)::text[]) AS rule,
    unnest(sqlc.arg(http_statuses)::integer[]) AS http_status,
    unnest(sqlc.arg(durations)::bigint[]) AS duration,
    unnest(sqlc.arg(first_bytes)::bigint[]) AS first_byte,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(estimated)::boolean[]) AS estimated,
    unnest(sqlc.arg(costs)::bigint[]) AS cost,
    unnest(sqlc.arg(bounds)::bigint[]) AS bound,
    unnest(sqlc.arg(prices)::pg_catalog.uuid[]) AS price,
    unnest(sqlc.arg(waste)::boolean[]) AS waste,
    unnest(sqlc.arg(generations)::bigint[]) AS generation,
    unnest(sqlc.arg(counts)::bigint[]) AS count,
    unnest(sqlc.arg(saved)::bigint[]) AS saved,
    unnest(sqlc.arg(cache_write_hours)::bigint[]) AS cache_write_hour,
    unnest(sqlc.arg(audio_inputs)::bigint[]) AS audio_input,
    unnest(sqlc.arg(audio_outputs)::bigint[]) AS audio_output,
    unnest(sqlc.arg(image_inputs)::bigint[]) AS image_input,
    unnest(sqlc.arg(image_outputs)::bigint[]) AS image_output,
    unnest(sqlc.arg(units)::text[]) AS units,
    unnest(sqlc.arg(service_tiers)::text[]) AS service_tier,
    unnest(sqlc.arg(reported)::boolean[]) AS reported,
    unnest(sqlc.arg(discounts)::pg_catalog.uuid[]) AS discount,
    unnest(sqlc.arg(route_versions)::integer[]) AS route_version,
    unnest(sqlc.arg(route_paths)::text[]) AS route_path,
    unnest(sqlc.arg(run_sources)::text[]) AS run_source,
    unnest(sqlc.arg(similarities)::integer[]) AS similarity,
    unnest(sqlc.arg(charges)::bytea[]) AS charges
) AS u
ON CONFLICT DO NOTHING
RETURNING event_id::pg_catalog.uuid AS event;

-- name: AddPending :exec
-- What a batch adds to an organization's sums. Answers its number (see queue).
INSERT INTO usage_pending (org_id, first_at, lines, started_at, ended_at, run_id, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome,
  code, first_attempt, events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, saved_pico,
  doubt_pico, waste, estimated, tag_line, tag_name, tag_value)
VALUES ($1, sqlc.arg(first_at)::timestamptz, sqlc.arg(lines)::integer,
  sqlc.arg(started)::timestamptz[], sqlc.arg(ended)::timestamptz[], sqlc.arg(runs)::text[], sqlc.arg(workspaces)::pg_catalog.uuid[],
  sqlc.arg(agents)::pg_catalog.uuid[], sqlc.arg(virtual_keys)::pg_catalog.uuid[], sqlc.arg(providers)::pg_catalog.uuid[], sqlc.arg(routes)::pg_catalog.uuid[],
  sqlc.arg(models)::text[], sqlc.arg(outcomes)::text[], sqlc.arg(codes)::text[], sqlc.arg(first_attempts)::boolean[],
  sqlc.arg(events)::bigint[], sqlc.arg(inputs)::bigint[], sqlc.arg(cached_inputs)::bigint[], sqlc.arg(cache_writes)::bigint[],
  sqlc.arg(outputs)::bigint[], sqlc.arg(reasonings)::bigint[], sqlc.arg(costs)::bigint[], sqlc.arg(saved)::bigint[],
  sqlc.arg(doubts)::bigint[], sqlc.arg(waste)::boolean[], sqlc.arg(estimated)::boolean[], sqlc.arg(tag_lines)::integer[],
  sqlc.arg(tag_names)::text[], sqlc.arg(tag_values)::text[])
RETURNING pending_id;

-- name: LockFold :many
-- Makes the caller the only one who folds an organization; no row: another is at it.
SELECT (extract(epoch FROM greatest(summed_until, 'epoch')))::bigint AS unix FROM usage_fold WHERE org_id = $1 FOR UPDATE SKIP LOCKED;

-- name: ListPending :many
SELECT pending_id, lines FROM usage_pending WHERE org_id = $1 ORDER BY pending_id LIMIT 10000;

-- name: GetPending :many
SELECT started_at::timestamptz[] AS started, ended_at::timestamptz[] AS ended, run_id::text[] AS runs, workspace_id::pg_catalog.uuid[] AS workspaces, agent_id::pg_catalog.uuid[] AS agents,
  virtual_key_id::pg_catalog.uuid[] AS virtual_keys, provider_id::pg_catalog.uuid[] AS providers, route_id::pg_catalog.uuid[] AS routes, model::text[] AS models, outcome::text[] AS outcomes,
  code::text[] AS codes, first_attempt::boolean[] AS first_attempts, events::bigint[] AS events, input_tokens::bigint[] AS inputs, cached_input_tokens::bigint[] AS cached_inputs,
  cache_write_tokens::bigint[] AS cache_writes, output_tokens::bigint[] AS outputs, reasoning_tokens::bigint[] AS reasonings, cost_pico::bigint[] AS costs, saved_pico::bigint[] AS saved,
  doubt_pico::bigint[] AS doubts, waste::boolean[] AS waste, estimated::boolean[] AS estimated, tag_line::integer[] AS tag_lines, tag_name::text[] AS tag_names,
  tag_value::text[] AS tag_values
FROM usage_pending
WHERE org_id = $1 AND pending_id = ANY (sqlc.arg(pending)::bigint[])
ORDER BY pending_id
LIMIT 10000;

-- name: DropPending :execrows
DELETE FROM usage_pending WHERE org_id = $1 AND pending_id = ANY (sqlc.arg(pending)::bigint[]);

-- name: AddHours :exec
INSERT INTO usage_hour (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens, cached_input_tokens,
  cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico)
SELECT $1, u.start, u.workspace, u.agent, u.virtual_key, u.provider, u.route, u.model, u.outcome, u.code, u.events, u.input, u.cached_input,
  u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric, u.saved::numeric, u.doubt::numeric, u.estimated_events,
  u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_hour.events + excluded.events,
  input_tokens = usage_hour.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_hour.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_hour.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_hour.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_hour.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_hour.cost_pico + excluded.cost_pico,
  waste_pico = usage_hour.waste_pico + excluded.waste_pico,
  saved_pico = usage_hour.saved_pico + excluded.saved_pico,
  doubt_pico = usage_hour.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_hour.estimated_events + excluded.estimated_events,
  estimated_pico = usage_hour.estimated_pico + excluded.estimated_pico;

-- name: AddDays :exec
INSERT INTO usage_day (org_id, start, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens, cached_input_tokens,
  cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico)
SELECT $1, u.start, u.workspace, u.agent, u.virtual_key, u.provider, u.route, u.model, u.outcome, u.code, u.events, u.input, u.cached_input,
  u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric, u.saved::numeric, u.doubt::numeric, u.estimated_events,
  u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, start, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_day.events + excluded.events,
  input_tokens = usage_day.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_day.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_day.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_day.cost_pico + excluded.cost_pico,
  waste_pico = usage_day.waste_pico + excluded.waste_pico,
  saved_pico = usage_day.saved_pico + excluded.saved_pico,
  doubt_pico = usage_day.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_day.estimated_events + excluded.estimated_events,
  estimated_pico = usage_day.estimated_pico + excluded.estimated_pico;

-- name: AddTagHours :exec
INSERT INTO usage_tag_hour (org_id, hour, name, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events,
  estimated_pico)
SELECT $1, u.start, u.name, u.value, u.workspace, u.agent, u.virtual_key, u.provider, u.route, u.model, u.outcome, u.code, u.events, u.input,
  u.cached_input, u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric, u.saved::numeric, u.doubt::numeric, u.estimated_events,
  u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(names)::text[]) AS name,
    unnest(sqlc.arg(tag_values)::text[]) AS value,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, name, hour, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_tag_hour.events + excluded.events,
  input_tokens = usage_tag_hour.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_tag_hour.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_tag_hour.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_tag_hour.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_tag_hour.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_tag_hour.cost_pico + excluded.cost_pico,
  waste_pico = usage_tag_hour.waste_pico + excluded.waste_pico,
  saved_pico = usage_tag_hour.saved_pico + excluded.saved_pico,
  doubt_pico = usage_tag_hour.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_tag_hour.estimated_events + excluded.estimated_events,
  estimated_pico = usage_tag_hour.estimated_pico + excluded.estimated_pico;

-- name: AddTagDays :exec
INSERT INTO usage_tag_day (org_id, start, name, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events,
  estimated_pico)
SELECT $1, u.start, u.name, u.value, u.workspace, u.agent, u.virtual_key, u.provider, u.route, u.model, u.outcome, u.code, u.events, u.input,
  u.cached_input, u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric, u.saved::numeric, u.doubt::numeric, u.estimated_events,
  u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(names)::text[]) AS name,
    unnest(sqlc.arg(tag_values)::text[]) AS value,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(providers)::pg_catalog.uuid[]) AS provider,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(outcomes)::text[]) AS outcome,
    unnest(sqlc.arg(codes)::text[]) AS code,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, name, start, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_tag_day.events + excluded.events,
  input_tokens = usage_tag_day.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_tag_day.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_tag_day.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_tag_day.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_tag_day.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_tag_day.cost_pico + excluded.cost_pico,
  waste_pico = usage_tag_day.waste_pico + excluded.waste_pico,
  saved_pico = usage_tag_day.saved_pico + excluded.saved_pico,
  doubt_pico = usage_tag_day.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_tag_day.estimated_events + excluded.estimated_events,
  estimated_pico = usage_tag_day.estimated_pico + excluded.estimated_pico;

-- name: AddRuns :exec
INSERT INTO usage_run (org_id, run_id, workspace_id, agent_id, virtual_key_id, first_at, last_at, steps, events, refused, failed, indeterminate, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events,
  estimated_pico)
SELECT $1, u.run, u.workspace, u.agent, u.virtual_key, u.first, u.last, u.steps, u.events, u.refused, u.failed, u.indeterminate, u.input,
  u.cached_input, u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric, u.saved::numeric, u.doubt::numeric, u.estimated_events,
  u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(runs)::text[]) AS run,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(agents)::pg_catalog.uuid[]) AS agent,
    unnest(sqlc.arg(virtual_keys)::pg_catalog.uuid[]) AS virtual_key,
    unnest(sqlc.arg(firsts)::timestamptz[]) AS first,
    unnest(sqlc.arg(lasts)::timestamptz[]) AS last,
    unnest(sqlc.arg(steps)::bigint[]) AS steps,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(refused)::bigint[]) AS refused,
    unnest(sqlc.arg(failed)::bigint[]) AS failed,
    unnest(sqlc.arg(indeterminate)::bigint[]) AS indeterminate,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, run_id) DO UPDATE SET
  workspace_id = CASE WHEN excluded.first_at < usage_run.first_at THEN excluded.workspace_id ELSE usage_run.workspace_id END,
  agent_id = CASE WHEN excluded.first_at < usage_run.first_at THEN excluded.agent_id ELSE usage_run.agent_id END,
  virtual_key_id = CASE WHEN excluded.first_at < usage_run.first_at THEN excluded.virtual_key_id ELSE usage_run.virtual_key_id END,
  first_at = least(usage_run.first_at, excluded.first_at),
  last_at = greatest(usage_run.last_at, excluded.last_at),
  steps = usage_run.steps + excluded.steps,
  events = usage_run.events + excluded.events,
  refused = usage_run.refused + excluded.refused,
  failed = usage_run.failed + excluded.failed,
  indeterminate = usage_run.indeterminate + excluded.indeterminate,
  input_tokens = usage_run.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_run.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_run.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_run.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_run.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_run.cost_pico + excluded.cost_pico,
  waste_pico = usage_run.waste_pico + excluded.waste_pico,
  saved_pico = usage_run.saved_pico + excluded.saved_pico,
  doubt_pico = usage_run.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_run.estimated_events + excluded.estimated_events,
  estimated_pico = usage_run.estimated_pico + excluded.estimated_pico;

-- name: FoldHour :execrows
-- Adds an hour to its day.
INSERT INTO usage_day (org_id, start, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico)
SELECT s.org_id, date_trunc('day', s.hour, 'UTC'), s.workspace_id, s.agent_id, s.virtual_key_id, s.provider_id, s.route_id, s.model, s.outcome, s.code,
  s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens,
  s.cost_pico, s.waste_pico, s.saved_pico, s.doubt_pico, s.estimated_events, s.estimated_pico
FROM usage_hour s
WHERE s.org_id = $1 AND s.hour = sqlc.arg(hour)::timestamptz
ON CONFLICT (org_id, start, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_day.events + excluded.events,
  input_tokens = usage_day.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_day.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_day.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_day.cost_pico + excluded.cost_pico,
  waste_pico = usage_day.waste_pico + excluded.waste_pico,
  saved_pico = usage_day.saved_pico + excluded.saved_pico,
  doubt_pico = usage_day.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_day.estimated_events + excluded.estimated_events,
  estimated_pico = usage_day.estimated_pico + excluded.estimated_pico;

-- name: FoldTagHour :execrows
-- Adds the labels of an hour to its day.
INSERT INTO usage_tag_day (org_id, start, name, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico)
SELECT s.org_id, date_trunc('day', s.hour, 'UTC'), s.name, s.value, s.workspace_id, s.agent_id, s.virtual_key_id, s.provider_id, s.route_id, s.model, s.outcome, s.code,
  s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens,
  s.cost_pico, s.waste_pico, s.saved_pico, s.doubt_pico, s.estimated_events, s.estimated_pico
FROM usage_tag_hour s
WHERE s.org_id = $1 AND s.hour = sqlc.arg(hour)::timestamptz
ON CONFLICT (org_id, name, start, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
  events = usage_tag_day.events + excluded.events,
  input_tokens = usage_tag_day.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_tag_day.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_tag_day.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_tag_day.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_tag_day.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_tag_day.cost_pico + excluded.cost_pico,
  waste_pico = usage_tag_day.waste_pico + excluded.waste_pico,
  saved_pico = usage_tag_day.saved_pico + excluded.saved_pico,
  doubt_pico = usage_tag_day.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_tag_day.estimated_events + excluded.estimated_events,
  estimated_pico = usage_tag_day.estimated_pico + excluded.estimated_pico;

-- name: SliceHour :exec
-- Adds an hour to the sums by one dimension, of the hour, its day and its week. Columns that a set does not group by are null in it.
INSERT INTO usage_slice (org_id, step, dimension, name, start, value, events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico)
SELECT $1, step.step, h.dimension, '', date_trunc(step.step, sqlc.arg(hour)::timestamptz, 'UTC'), h.value, h.events, h.input_tokens, h.cached_input_tokens, h.cache_write_tokens,
  h.output_tokens, h.reasoning_tokens, h.cost_pico, h.waste_pico, h.saved_pico, h.doubt_pico, h.estimated_events, h.estimated_pico
FROM (
  SELECT CASE WHEN workspace_id IS NOT NULL THEN 'workspace' WHEN agent_id IS NOT NULL THEN 'agent' WHEN virtual_key_id IS NOT NULL THEN 'virtual_key'
        WHEN provider_id IS NOT NULL THEN 'provider' WHEN route_id IS NOT NULL THEN 'route' WHEN model IS NOT NULL THEN 'model' ELSE 'outcome' END AS dimension,
    coalesce(workspace_id::text, agent_id::text, virtual_key_id::text, provider_id::text, route_id::text, model, outcome) AS value,
    sum(events) AS events, sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens, sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(cost_pico) AS cost_pico, sum(waste_pico) AS waste_pico, sum(saved_pico) AS saved_pico, sum(doubt_pico) AS doubt_pico, sum(estimated_events) AS estimated_events, sum(estimated_pico) AS estimated_pico
  FROM usage_hour
  WHERE org_id = $1 AND hour = sqlc.arg(hour)::timestamptz
  GROUP BY GROUPING SETS ((workspace_id), (agent_id), (virtual_key_id), (provider_id), (route_id), (model), (outcome))
) AS h
CROSS JOIN (SELECT unnest(ARRAY['hour', 'day', 'week']) AS step) AS step
ON CONFLICT (org_id, step, dimension, name, start, value) DO UPDATE SET
  events = usage_slice.events + excluded.events,
  input_tokens = usage_slice.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_slice.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_slice.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_slice.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_slice.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_slice.cost_pico + excluded.cost_pico,
  waste_pico = usage_slice.waste_pico + excluded.waste_pico,
  saved_pico = usage_slice.saved_pico + excluded.saved_pico,
  doubt_pico = usage_slice.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_slice.estimated_events + excluded.estimated_events,
  estimated_pico = usage_slice.estimated_pico + excluded.estimated_pico;

-- name: SliceTagHour :exec
-- The same of labels and end users.
INSERT INTO usage_slice (org_id, step, dimension, name, start, value, events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico)
SELECT $1, step.step, h.dimension, h.name, date_trunc(step.step, sqlc.arg(hour)::timestamptz, 'UTC'), h.value, h.events, h.input_tokens, h.cached_input_tokens, h.cache_write_tokens,
  h.output_tokens, h.reasoning_tokens, h.cost_pico, h.waste_pico, h.saved_pico, h.doubt_pico, h.estimated_events, h.estimated_pico
FROM (
  SELECT CASE WHEN value IS NULL THEN 'tagged' WHEN name = '' THEN 'end_user' ELSE 'label' END AS dimension, name, coalesce(value, outcome) AS value,
    sum(events) AS events, sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens, sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(cost_pico) AS cost_pico, sum(waste_pico) AS waste_pico, sum(saved_pico) AS saved_pico, sum(doubt_pico) AS doubt_pico, sum(estimated_events) AS estimated_events, sum(estimated_pico) AS estimated_pico
  FROM usage_tag_hour
  WHERE org_id = $1 AND hour = sqlc.arg(hour)::timestamptz
  GROUP BY GROUPING SETS ((name, value), (name, outcome))
) AS h
CROSS JOIN (SELECT unnest(ARRAY['hour', 'day', 'week']) AS step) AS step
ON CONFLICT (org_id, step, dimension, name, start, value) DO UPDATE SET
  events = usage_slice.events + excluded.events,
  input_tokens = usage_slice.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_slice.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_slice.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_slice.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_slice.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_slice.cost_pico + excluded.cost_pico,
  waste_pico = usage_slice.waste_pico + excluded.waste_pico,
  saved_pico = usage_slice.saved_pico + excluded.saved_pico,
  doubt_pico = usage_slice.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_slice.estimated_events + excluded.estimated_events,
  estimated_pico = usage_slice.estimated_pico + excluded.estimated_pico;

-- name: AddSlices :exec
INSERT INTO usage_slice (org_id, step, dimension, name, start, value, events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico)
SELECT $1, u.step, u.dimension, u.name, u.start, u.value, u.events, u.input, u.cached_input, u.cache_write, u.output, u.reasoning, u.cost::numeric, u.waste::numeric,
  u.saved::numeric, u.doubt::numeric, u.estimated_events, u.estimated::numeric
FROM (
  SELECT unnest(sqlc.arg(steps)::text[]) AS step,
    unnest(sqlc.arg(dimensions)::text[]) AS dimension,
    unnest(sqlc.arg(names)::text[]) AS name,
    unnest(sqlc.arg(starts)::timestamptz[]) AS start,
    unnest(sqlc.arg(slice_values)::text[]) AS value,
    unnest(sqlc.arg(events)::bigint[]) AS events,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(costs)::text[]) AS cost,
    unnest(sqlc.arg(wastes)::text[]) AS waste,
    unnest(sqlc.arg(saved)::text[]) AS saved,
    unnest(sqlc.arg(doubts)::text[]) AS doubt,
    unnest(sqlc.arg(estimated_events)::bigint[]) AS estimated_events,
    unnest(sqlc.arg(estimated_costs)::text[]) AS estimated
) AS u
ON CONFLICT (org_id, step, dimension, name, start, value) DO UPDATE SET
  events = usage_slice.events + excluded.events,
  input_tokens = usage_slice.input_tokens + excluded.input_tokens,
  cached_input_tokens = usage_slice.cached_input_tokens + excluded.cached_input_tokens,
  cache_write_tokens = usage_slice.cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = usage_slice.output_tokens + excluded.output_tokens,
  reasoning_tokens = usage_slice.reasoning_tokens + excluded.reasoning_tokens,
  cost_pico = usage_slice.cost_pico + excluded.cost_pico,
  waste_pico = usage_slice.waste_pico + excluded.waste_pico,
  saved_pico = usage_slice.saved_pico + excluded.saved_pico,
  doubt_pico = usage_slice.doubt_pico + excluded.doubt_pico,
  estimated_events = usage_slice.estimated_events + excluded.estimated_events,
  estimated_pico = usage_slice.estimated_pico + excluded.estimated_pico;

-- name: ListTagValues :many
-- The names and values of a day that have rows of their own.
SELECT DISTINCT t.name, t.value
FROM usage_sum t
WHERE t.org_id = $1 AND t.source = 'tag_day' AND t.start = sqlc.arg(day)::timestamptz
ORDER BY 1, 2
LIMIT 400000;

-- name: NotifyUsage :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row.
SELECT pg_notify('tollgate_usage', sqlc.arg(payload)::text);

-- name: MakePartition :one
-- @sqlc-vet-disable org-id-required
-- A partition holds one day of every organization.
SELECT make_usage_partition(sqlc.arg(day)::date)::boolean AS made;

-- name: DropBefore :one
-- @sqlc-vet-disable org-id-required
-- Retention is the platform's.
SELECT drop_usage_before(sqlc.arg(day)::date)::text[] AS dropped;

-- name: EnterAwaited :many
-- Notes calls whose cost is awaited or has come, and locks their rows by event, before any account: of two transactions that bring the one and the
-- other, the later one sees what the earlier one did.
INSERT INTO awaited AS w (org_id, event_id, workspace_id, route_id, dialect, model, kept, settled, due_at)
SELECT $1, u.event, u.workspace, nullif(u.route, '00000000-0000-0000-0000-000000000000'), u.dialect, u.model, u.kept, u.settled,
  CASE WHEN u.kept <> '' AND NOT u.settled THEN now() + interval '5 seconds' END
FROM (
  SELECT unnest(sqlc.arg(events)::pg_catalog.uuid[]) AS event,
    unnest(sqlc.arg(workspaces)::pg_catalog.uuid[]) AS workspace,
    unnest(sqlc.arg(routes)::pg_catalog.uuid[]) AS route,
    unnest(sqlc.arg(dialects)::text[]) AS dialect,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(kept)::text[]) AS kept,
    unnest(sqlc.arg(settled)::boolean[]) AS settled
) AS u
ORDER BY u.event
ON CONFLICT (org_id, event_id) DO UPDATE SET
  kept = CASE WHEN excluded.kept = '' THEN w.kept ELSE excluded.kept END,
  settled = w.settled OR excluded.settled,
  due_at = CASE WHEN NOT w.settled AND NOT excluded.settled THEN coalesce(w.due_at, excluded.due_at) END
RETURNING event_id, settled;

-- name: HandOutAwaited :many
-- @sqlc-vet-disable org-id-required
-- Edges serve every organization; what is handed out opens for its own workspace alone. Waits for nobody, so that it needs no place in the lock
-- order. Providers work through a batch within a day or two: what is not known after nine is left to people.
UPDATE awaited w SET tries = w.tries + 1,
  due_at = CASE WHEN w.noted_at > now() - interval '9 days' THEN now() + least(interval '5 seconds' * 2 ^ least(w.tries, 20), interval '15 minutes') END
FROM (
  SELECT a.org_id, a.event_id
  FROM awaited a
  WHERE a.due_at <= now()
  ORDER BY a.due_at
  LIMIT $1
  FOR UPDATE SKIP LOCKED
) AS d
WHERE w.org_id = d.org_id AND w.event_id = d.event_id
RETURNING w.org_id, w.event_id, w.workspace_id, w.route_id, w.dialect, w.model, w.kept;

-- name: ListOlderAwaited :many
SELECT event_id, route_id, model, kept
FROM awaited
WHERE org_id = $1 AND workspace_id = $2 AND dialect = $3 AND kept <> '' AND event_id < sqlc.arg(older_than)::uuid
ORDER BY event_id DESC
LIMIT $4;

-- name: ListNewerAwaited :many
SELECT event_id, route_id, model, kept
FROM awaited
WHERE org_id = $1 AND workspace_id = $2 AND dialect = $3 AND kept <> '' AND event_id > sqlc.arg(newer_than)::uuid
ORDER BY event_id
LIMIT $4;

-- name: DropAwaited :execrows
-- @sqlc-vet-disable org-id-required
-- Of every organization: providers keep nothing for so long.
DELETE FROM awaited WHERE noted_at < now() - interval '90 days';

-- name: SettlementCost :many
-- What an event has cost that ends the doubt of another one, by its id and when that one was made: to the millisecond, which is when this one is said
-- to have begun.
SELECT cost_pico
FROM usage_event
WHERE org_id = $1 AND started_at = sqlc.arg(started)::timestamptz AND event_id = sqlc.arg(event)::uuid
LIMIT 1;
