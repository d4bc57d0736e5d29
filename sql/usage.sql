-- name: PlanForRanges :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row. A range of one organization is found by index and is small: plans for large tables (all rows, several workers, compiled) only
-- cost time, and are taken where Postgres cannot know from where on hours are not folded. Groups are hashed, since they are few.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
  set_config('work_mem', '64MB', true);

-- name: SumHours :many
-- Sums by hour and by one dimension; the zero id stands for "none".
SELECT h.start AS hour, (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN h.agent_id::text WHEN 'workspace' THEN h.workspace_id::text WHEN 'virtual_key' THEN h.virtual_key_id::text
    WHEN 'provider' THEN h.provider_id::text WHEN 'model' THEN h.model WHEN 'outcome' THEN h.outcome ELSE '' END)::text AS group_key,
  sum(h.events)::bigint AS events, sum(h.input_tokens)::bigint AS input_tokens, sum(h.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(h.cache_write_tokens)::bigint AS cache_write_tokens, sum(h.output_tokens)::bigint AS output_tokens,
  sum(h.reasoning_tokens)::bigint AS reasoning_tokens, sum(h.cost_pico)::numeric AS cost_pico, sum(h.waste_pico)::numeric AS waste_pico,
  sum(h.saved_pico)::numeric AS saved_pico, sum(h.doubt_pico)::numeric AS doubt_pico, sum(h.estimated_events)::bigint AS estimated_events,
  sum(h.estimated_pico)::numeric AS estimated_pico
FROM usage_sum h
WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 100000;

-- name: SumRange :one
SELECT coalesce(sum(h.events), 0)::bigint AS events, coalesce(sum(h.events) FILTER (WHERE h.outcome = 'refused'), 0)::bigint AS refused,
  coalesce(sum(h.events) FILTER (WHERE h.outcome IN ('upstream_failed', 'client_closed')), 0)::bigint AS failed,
  coalesce(sum(h.events) FILTER (WHERE h.outcome = 'indeterminate'), 0)::bigint AS indeterminate,
  coalesce(sum(h.input_tokens), 0)::bigint AS input_tokens, coalesce(sum(h.cached_input_tokens), 0)::bigint AS cached_input_tokens,
  coalesce(sum(h.cache_write_tokens), 0)::bigint AS cache_write_tokens, coalesce(sum(h.output_tokens), 0)::bigint AS output_tokens,
  coalesce(sum(h.reasoning_tokens), 0)::bigint AS reasoning_tokens,
  coalesce(sum(h.cost_pico), 0)::numeric AS cost_pico, coalesce(sum(h.waste_pico), 0)::numeric AS waste_pico,
  coalesce(sum(h.saved_pico), 0)::numeric AS saved_pico, coalesce(sum(h.doubt_pico), 0)::numeric AS doubt_pico,
  coalesce(sum(h.estimated_events), 0)::bigint AS estimated_events, coalesce(sum(h.estimated_pico), 0)::numeric AS estimated_pico
FROM usage_sum h
WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz;

-- name: CountRefusals :many
SELECT h.code, sum(h.events)::bigint AS events
FROM usage_sum h
WHERE h.org_id = $1 AND h.source = 'hour' AND h.outcome = 'refused' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz
GROUP BY h.code
ORDER BY 2 DESC, 1
LIMIT 1000;

-- name: SumGroups :many
-- Sums of a range by one dimension, the dearest first; the zero id stands for "none".
SELECT (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text AS group_key,
  sum(s.events)::bigint AS events, sum(s.input_tokens)::bigint AS input_tokens, sum(s.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(s.cache_write_tokens)::bigint AS cache_write_tokens, sum(s.output_tokens)::bigint AS output_tokens,
  sum(s.reasoning_tokens)::bigint AS reasoning_tokens, sum(s.cost_pico)::numeric AS cost_pico, sum(s.waste_pico)::numeric AS waste_pico,
  sum(s.saved_pico)::numeric AS saved_pico, sum(s.doubt_pico)::numeric AS doubt_pico, sum(s.estimated_events)::bigint AS estimated_events,
  sum(s.estimated_pico)::numeric AS estimated_pico
FROM usage_sum s
WHERE s.org_id = $1 AND s.source = sqlc.arg(source)::text AND s.name = sqlc.arg(name)::text
  AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
  AND (sqlc.narg(value)::text IS NULL OR s.value = sqlc.narg(value)::text)
  AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
  AND (sqlc.narg(provider)::uuid IS NULL OR s.provider_id = sqlc.narg(provider)::uuid)
  AND (sqlc.narg(route)::uuid IS NULL OR s.route_id = sqlc.narg(route)::uuid)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(outcome)::text = '' OR s.outcome = sqlc.arg(outcome)::text)
  AND (sqlc.arg(code)::text = '' OR s.code = sqlc.arg(code)::text)
GROUP BY 1
ORDER BY sum(s.cost_pico) DESC, sum(s.events) DESC, 1
LIMIT sqlc.arg(at_most);

-- name: SumOutcomes :many
-- Sums of a range by outcome and code.
SELECT s.outcome, s.code,
  sum(s.events)::bigint AS events, sum(s.input_tokens)::bigint AS input_tokens, sum(s.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(s.cache_write_tokens)::bigint AS cache_write_tokens, sum(s.output_tokens)::bigint AS output_tokens,
  sum(s.reasoning_tokens)::bigint AS reasoning_tokens, sum(s.cost_pico)::numeric AS cost_pico, sum(s.waste_pico)::numeric AS waste_pico,
  sum(s.saved_pico)::numeric AS saved_pico, sum(s.doubt_pico)::numeric AS doubt_pico, sum(s.estimated_events)::bigint AS estimated_events,
  sum(s.estimated_pico)::numeric AS estimated_pico
FROM usage_sum s
WHERE s.org_id = $1 AND s.source = sqlc.arg(source)::text AND s.name = sqlc.arg(name)::text
  AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
  AND (sqlc.narg(value)::text IS NULL OR s.value = sqlc.narg(value)::text)
  AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
  AND (sqlc.narg(provider)::uuid IS NULL OR s.provider_id = sqlc.narg(provider)::uuid)
  AND (sqlc.narg(route)::uuid IS NULL OR s.route_id = sqlc.narg(route)::uuid)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(outcome)::text = '' OR s.outcome = sqlc.arg(outcome)::text)
  AND (sqlc.arg(code)::text = '' OR s.code = sqlc.arg(code)::text)
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 10000;

-- name: SumCells :many
-- Sums by hour or day of some groups, and of all others together (is_other).
SELECT s.start, (CASE WHEN (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text = ANY(sqlc.arg(groups)::text[]) THEN false ELSE true END)::boolean AS is_other,
  (CASE WHEN (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text = ANY(sqlc.arg(groups)::text[]) THEN (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text ELSE '' END)::text AS group_key,
  sum(s.events)::bigint AS events, sum(s.input_tokens)::bigint AS input_tokens, sum(s.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(s.cache_write_tokens)::bigint AS cache_write_tokens, sum(s.output_tokens)::bigint AS output_tokens,
  sum(s.reasoning_tokens)::bigint AS reasoning_tokens, sum(s.cost_pico)::numeric AS cost_pico, sum(s.waste_pico)::numeric AS waste_pico,
  sum(s.saved_pico)::numeric AS saved_pico, sum(s.doubt_pico)::numeric AS doubt_pico, sum(s.estimated_events)::bigint AS estimated_events,
  sum(s.estimated_pico)::numeric AS estimated_pico
FROM usage_sum s
WHERE s.org_id = $1 AND s.source = sqlc.arg(source)::text AND s.name = sqlc.arg(name)::text
  AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
  AND (sqlc.narg(value)::text IS NULL OR s.value = sqlc.narg(value)::text)
  AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
  AND (sqlc.narg(provider)::uuid IS NULL OR s.provider_id = sqlc.narg(provider)::uuid)
  AND (sqlc.narg(route)::uuid IS NULL OR s.route_id = sqlc.narg(route)::uuid)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(outcome)::text = '' OR s.outcome = sqlc.arg(outcome)::text)
  AND (sqlc.arg(code)::text = '' OR s.code = sqlc.arg(code)::text)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
LIMIT 1000000;

-- name: ListCells :many
-- Sums by hour or day of every group, from a place on.
SELECT s.start, (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text AS group_key,
  sum(s.events)::bigint AS events, sum(s.input_tokens)::bigint AS input_tokens, sum(s.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(s.cache_write_tokens)::bigint AS cache_write_tokens, sum(s.output_tokens)::bigint AS output_tokens,
  sum(s.reasoning_tokens)::bigint AS reasoning_tokens, sum(s.cost_pico)::numeric AS cost_pico, sum(s.waste_pico)::numeric AS waste_pico,
  sum(s.saved_pico)::numeric AS saved_pico, sum(s.doubt_pico)::numeric AS doubt_pico, sum(s.estimated_events)::bigint AS estimated_events,
  sum(s.estimated_pico)::numeric AS estimated_pico
FROM usage_sum s
WHERE s.org_id = $1 AND s.source = sqlc.arg(source)::text AND s.name = sqlc.arg(name)::text
  AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
  AND (sqlc.narg(value)::text IS NULL OR s.value = sqlc.narg(value)::text)
  AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
  AND (sqlc.narg(provider)::uuid IS NULL OR s.provider_id = sqlc.narg(provider)::uuid)
  AND (sqlc.narg(route)::uuid IS NULL OR s.route_id = sqlc.narg(route)::uuid)
  AND (sqlc.arg(model)::text = '' OR s.model = sqlc.arg(model)::text)
  AND (sqlc.arg(outcome)::text = '' OR s.outcome = sqlc.arg(outcome)::text)
  AND (sqlc.arg(code)::text = '' OR s.code = sqlc.arg(code)::text)
  AND (s.start, (CASE sqlc.arg(group_by)::text
    WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
    WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
    ELSE s.value END)::text) > (sqlc.arg(after_start)::timestamptz, sqlc.arg(after_group)::text)
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT sqlc.arg(at_most);

-- name: ListTagNames :many
-- The labels that have sums in a range of days.
SELECT DISTINCT t.name
FROM usage_sum t
WHERE t.org_id = $1 AND t.source = 'tag_day' AND t.start >= sqlc.arg(from_day)::timestamptz AND t.start < sqlc.arg(until)::timestamptz AND t.name <> ''
ORDER BY 1
LIMIT 1000;

-- name: ListRuns :many
-- Runs that began in a range, the dearest first.
SELECT s.run_id, s.workspace_id, s.agent_id, s.virtual_key_id, s.first_at, s.last_at, s.steps, s.refused, s.failed, s.indeterminate,
  s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico,
  s.saved_pico, s.doubt_pico, s.estimated_events, s.estimated_pico, coalesce(a.name, '')::text AS agent_name, coalesce(k.name, '')::text AS virtual_key_name,
  coalesce(w.name, '')::text AS workspace_name
FROM usage_run_sum s
LEFT JOIN workspace w ON w.org_id = s.org_id AND w.workspace_id = s.workspace_id
LEFT JOIN agent a ON a.org_id = s.org_id AND a.agent_id = s.agent_id
LEFT JOIN virtual_key k ON k.org_id = s.org_id AND k.virtual_key_id = s.virtual_key_id
WHERE s.org_id = $1 AND s.first_at >= sqlc.arg(from_time)::timestamptz AND s.first_at < sqlc.arg(until)::timestamptz
  AND (sqlc.arg(run)::text = '' OR s.run_id = sqlc.arg(run)::text)
  AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
ORDER BY s.cost_pico DESC, s.run_id
LIMIT sqlc.arg(at_most);

-- name: OldestEvent :one
-- When the oldest event that is still kept began; what is older has its sums alone.
SELECT e.started_at
FROM usage_event e
WHERE e.org_id = $1
ORDER BY e.started_at
LIMIT 1;

-- name: ListNames :many
-- What the ids of a dimension are called, archived ones too.
SELECT a.agent_id::text AS group_key, a.name FROM agent a WHERE a.org_id = $1 AND sqlc.arg(group_by)::text = 'agent'
UNION ALL SELECT w.workspace_id::text, w.name FROM workspace w WHERE w.org_id = $1 AND sqlc.arg(group_by)::text = 'workspace'
UNION ALL SELECT k.virtual_key_id::text, k.name FROM virtual_key k WHERE k.org_id = $1 AND sqlc.arg(group_by)::text = 'virtual_key'
UNION ALL SELECT p.provider_id::text, p.name FROM provider p WHERE p.org_id = $1 AND sqlc.arg(group_by)::text = 'provider'
UNION ALL SELECT r.route_id::text, r.name FROM route r WHERE r.org_id = $1 AND sqlc.arg(group_by)::text = 'route'
ORDER BY 1
LIMIT 200000;

-- name: ListEvents :many
-- Newest first, from a place on.
SELECT e.event_id, e.started_at, e.request_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.end_user, e.labels, e.dialect, e.route_id,
  e.model, e.provider_id, e.provider_model, e.attempt, e.streamed, e.outcome, e.code, e.rule, e.http_status, e.duration_us, e.first_byte_us,
  e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.estimated, e.cost_pico, e.bound_pico,
  e.price_id, e.waste, e.edge_id, e.generation, e.recorded_at, e.count, coalesce(c.saved_pico, e.saved_pico)::bigint AS saved_pico, e.cache_write_hour_tokens, e.audio_input_tokens, e.audio_output_tokens,
  e.image_input_tokens, e.image_output_tokens, e.service_tier, e.reported, e.discount_id,
  coalesce(c.after_pico, e.cost_pico)::bigint AS current_pico, coalesce(c.price_id, e.price_id, '00000000-0000-0000-0000-000000000000')::uuid AS current_price,
  coalesce(CASE WHEN c.event_id IS NULL THEN e.discount_id ELSE c.discount_id END, '00000000-0000-0000-0000-000000000000')::uuid AS current_discount,
  coalesce(c.corrected_at, e.recorded_at)::timestamptz AS corrected_at, coalesce(c.reprice_id, '00000000-0000-0000-0000-000000000000')::uuid AS reprice_id, coalesce(c.reason, '')::text AS reprice_reason, coalesce(c.created_by, '')::text AS reprice_by,
  coalesce(w.name, '')::text AS workspace_name, coalesce(a.name, '')::text AS agent_name, coalesce(k.name, '')::text AS virtual_key_name,
  coalesce(p.name, '')::text AS provider_name
FROM usage_event e
LEFT JOIN workspace w ON w.org_id = e.org_id AND w.workspace_id = e.workspace_id
LEFT JOIN agent a ON a.org_id = e.org_id AND a.agent_id = e.agent_id
LEFT JOIN virtual_key k ON k.org_id = e.org_id AND k.virtual_key_id = e.virtual_key_id
LEFT JOIN provider p ON p.org_id = e.org_id AND p.provider_id = e.provider_id
LEFT JOIN LATERAL (
  SELECT x.event_id, x.after_pico, x.saved_pico, x.price_id, x.discount_id, x.corrected_at, x.reprice_id, r.reason, r.created_by
  FROM usage_correction x JOIN reprice r ON r.org_id = x.org_id AND r.reprice_id = x.reprice_id
  WHERE x.org_id = e.org_id AND x.event_id = e.event_id AND x.started_at = e.started_at
  ORDER BY x.corrected_at DESC LIMIT 1
) c ON true
WHERE e.org_id = $1
  AND e.started_at >= sqlc.arg(from_time)::timestamptz AND e.started_at < sqlc.arg(until)::timestamptz
  AND (e.started_at < sqlc.arg(before_time)::timestamptz OR e.started_at = sqlc.arg(before_time)::timestamptz AND e.event_id > sqlc.arg(before_event)::uuid)
  AND (sqlc.narg(event)::uuid IS NULL OR e.event_id = sqlc.narg(event)::uuid)
  AND (sqlc.narg(request)::uuid IS NULL OR e.request_id = sqlc.narg(request)::uuid)
  AND (sqlc.narg(workspace)::uuid IS NULL OR e.workspace_id = sqlc.narg(workspace)::uuid)
  AND (sqlc.narg(agent)::uuid IS NULL OR e.agent_id = sqlc.narg(agent)::uuid)
  AND (sqlc.narg(virtual_key)::uuid IS NULL OR e.virtual_key_id = sqlc.narg(virtual_key)::uuid)
  AND (sqlc.narg(provider)::uuid IS NULL OR e.provider_id = sqlc.narg(provider)::uuid)
  AND (sqlc.arg(model)::text = '' OR e.model = sqlc.arg(model)::text)
  AND (sqlc.arg(outcome)::text = '' OR e.outcome = sqlc.arg(outcome)::text)
  AND (sqlc.arg(code)::text = '' OR e.code = sqlc.arg(code)::text)
  AND (sqlc.narg(route)::uuid IS NULL OR e.route_id = sqlc.narg(route)::uuid)
  AND (sqlc.arg(end_user)::text = '' OR e.end_user = sqlc.arg(end_user)::text)
  AND (sqlc.arg(run)::text = '' OR e.run_id = sqlc.arg(run)::text)
  AND (sqlc.arg(label_name)::text = '' OR e.labels ->> sqlc.arg(label_name)::text = sqlc.arg(label_value)::text)
ORDER BY e.started_at DESC, e.event_id
LIMIT sqlc.arg(at_most);

-- name: GetPrice :one
-- A row of the catalog, charged still or not, or one of the organization's own.
SELECT price_id, 'list'::text AS kind, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, 0::integer AS discount_per_mille
FROM model_price WHERE model_price.price_id = sqlc.arg(price_id)::uuid
UNION ALL
SELECT price_id, kind, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, discount_per_mille
FROM org_price WHERE org_id = $1 AND org_price.price_id = sqlc.arg(price_id)::uuid;

-- name: SumPlaces :many
-- What calls cost in each hour, by where they were made. A place is an id or a model; the organization's is empty. What is not asked for is not read.
SELECT sums.kind, sums.place, sums.hour, sums.cost_pico
FROM (
  SELECT 'org'::text AS kind, ''::text AS place, h.start AS hour, sum(h.cost_pico)::numeric AS cost_pico
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz AND sqlc.arg(whole)::boolean
  GROUP BY h.start
  UNION ALL
  SELECT 'workspace', h.workspace_id::text, h.start, sum(h.cost_pico)::numeric
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz AND cardinality(sqlc.arg(workspaces)::uuid[]) > 0 AND h.workspace_id = ANY (sqlc.arg(workspaces)::uuid[])
  GROUP BY h.workspace_id, h.start
  UNION ALL
  SELECT 'agent', h.agent_id::text, h.start, sum(h.cost_pico)::numeric
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz AND cardinality(sqlc.arg(agents)::uuid[]) > 0 AND h.agent_id = ANY (sqlc.arg(agents)::uuid[])
  GROUP BY h.agent_id, h.start
  UNION ALL
  SELECT 'virtual_key', h.virtual_key_id::text, h.start, sum(h.cost_pico)::numeric
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz AND cardinality(sqlc.arg(virtual_keys)::uuid[]) > 0 AND h.virtual_key_id = ANY (sqlc.arg(virtual_keys)::uuid[])
  GROUP BY h.virtual_key_id, h.start
  UNION ALL
  SELECT 'model', h.model, h.start, sum(h.cost_pico)::numeric
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz AND cardinality(sqlc.arg(models)::text[]) > 0 AND h.model = ANY (sqlc.arg(models)::text[])
  GROUP BY h.model, h.start
) sums
ORDER BY sums.kind, sums.place, sums.hour
LIMIT 1000000;

-- name: SumTags :many
-- What calls cost in each hour by label; the name '' is the end user. The value is '' for all values of a name.
SELECT sums.name, sums.value, sums.hour, sums.cost_pico
FROM (
  SELECT h.name, h.value, h.start AS hour, sum(h.cost_pico)::numeric AS cost_pico
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'tag_hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz
    AND cardinality(sqlc.arg(names)::text[]) > 0 AND (h.name, h.value) IN (SELECT unnest(sqlc.arg(names)::text[]), unnest(sqlc.arg(tag_values)::text[]))
  GROUP BY h.name, h.value, h.start
  UNION ALL
  SELECT h.name, ''::text, h.start, sum(h.cost_pico)::numeric
  FROM usage_sum h WHERE h.org_id = $1 AND h.source = 'tag_hour' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz
    AND cardinality(sqlc.arg(whole_names)::text[]) > 0 AND h.name = ANY (sqlc.arg(whole_names)::text[])
  GROUP BY h.name, h.start
) sums
ORDER BY sums.name, sums.value, sums.hour
LIMIT 1000000;
