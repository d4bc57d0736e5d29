-- name: PlanForRanges :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row. A range of one organization is found by index and is small: plans for large tables (all rows, several workers, compiled) only
-- cost time, and are taken where Postgres cannot know from where on hours are not folded. Groups are hashed, since they are few. And each question is
-- planned by itself: one plan for all of them, which a connection would go over to, knows neither the range nor what restricts.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
  set_config('work_mem', '64MB', true), set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: PlanForSums :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row. Sums read what is pending, a few rows that hold thousands of calls with their labels each, which Postgres cannot know: it would go
-- through all calls again for each label. Without loops it hashes them.
SELECT set_config('enable_nestloop', 'off', true);

-- name: PlanForRuns :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row. The dearest runs of a short range are found by when they began and sorted, those of a long one by what they cost.
SELECT set_config('enable_nestloop', 'on', true), set_config('enable_sort', 'on', true);

-- name: ListDearest :many
-- The values of one dimension on which most was spent in a range: of its whole weeks, the whole days beside them and the hours beside these.
SELECT x.value
FROM (
  SELECT s.value, s.cost_pico, s.events
  FROM usage_slice s
  WHERE s.org_id = $1 AND s.dimension = sqlc.arg(dimension)::text AND s.name = sqlc.arg(name)::text
    AND (s.step = 'week' AND s.start >= sqlc.arg(from_week)::timestamptz AND s.start < sqlc.arg(until_week)::timestamptz
      OR s.step = 'day' AND s.start >= sqlc.arg(from_day)::timestamptz AND s.start < sqlc.arg(from_week)::timestamptz
      OR s.step = 'day' AND s.start >= sqlc.arg(until_week)::timestamptz AND s.start < sqlc.arg(until_day)::timestamptz
      OR s.step = 'hour' AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(from_day)::timestamptz
      OR s.step = 'hour' AND s.start >= sqlc.arg(until_day)::timestamptz AND s.start < sqlc.arg(until)::timestamptz)
  UNION ALL
  SELECT (CASE sqlc.arg(dimension)::text
    WHEN 'agent' THEN u.agent_id::text WHEN 'workspace' THEN u.workspace_id::text WHEN 'virtual_key' THEN u.virtual_key_id::text
    WHEN 'provider' THEN u.provider_id::text WHEN 'route' THEN u.route_id::text WHEN 'model' THEN u.model WHEN 'outcome' THEN u.outcome
    WHEN 'tagged' THEN u.outcome ELSE u.value END)::text, u.cost_pico, u.events
  FROM usage_fresh u
  WHERE u.org_id = $1 AND u.source = sqlc.arg(source)::text AND u.name = sqlc.arg(name)::text
    AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
) x
GROUP BY x.value
ORDER BY sum(x.cost_pico) DESC, sum(x.events) DESC, x.value
LIMIT sqlc.arg(at_most);

-- name: SumValues :many
-- Sums of a range by some values of one dimension. A few are looked up by key, for the range holds many more; many are read with all that it holds.
SELECT x.value, sum(x.events)::bigint AS events, sum(x.input_tokens)::bigint AS input_tokens, sum(x.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(x.cache_write_tokens)::bigint AS cache_write_tokens, sum(x.output_tokens)::bigint AS output_tokens, sum(x.reasoning_tokens)::bigint AS
  reasoning_tokens, sum(x.cost_pico)::numeric AS cost_pico, sum(x.waste_pico)::numeric AS waste_pico, sum(x.saved_pico)::numeric AS saved_pico,
  sum(x.doubt_pico)::numeric AS doubt_pico, sum(x.estimated_events)::bigint AS estimated_events, sum(x.estimated_pico)::numeric AS estimated_pico
FROM (
  SELECT s.value, s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico, s.saved_pico,
    s.doubt_pico, s.estimated_events, s.estimated_pico
  FROM usage_slice s
  WHERE NOT sqlc.arg(few)::boolean AND s.org_id = $1 AND s.dimension = sqlc.arg(dimension)::text AND s.name = sqlc.arg(name)::text AND s.value IN (SELECT unnest(sqlc.arg(among)::text[]))
    AND (s.step = 'week' AND s.start >= sqlc.arg(from_week)::timestamptz AND s.start < sqlc.arg(until_week)::timestamptz
      OR s.step = 'day' AND s.start >= sqlc.arg(from_day)::timestamptz AND s.start < sqlc.arg(from_week)::timestamptz
      OR s.step = 'day' AND s.start >= sqlc.arg(until_week)::timestamptz AND s.start < sqlc.arg(until_day)::timestamptz
      OR s.step = 'hour' AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(from_day)::timestamptz
      OR s.step = 'hour' AND s.start >= sqlc.arg(until_day)::timestamptz AND s.start < sqlc.arg(until)::timestamptz)
  UNION ALL
  SELECT v.value, k.events, k.input_tokens, k.cached_input_tokens, k.cache_write_tokens, k.output_tokens, k.reasoning_tokens, k.cost_pico, k.waste_pico, k.saved_pico,
    k.doubt_pico, k.estimated_events, k.estimated_pico
  FROM (
    SELECT 'week' AS step, generate_series(sqlc.arg(from_week)::timestamptz, sqlc.arg(until_week)::timestamptz, interval '168 hours') AS start, sqlc.arg(until_week)::timestamptz AS until
    UNION ALL
    SELECT 'day', generate_series(sqlc.arg(from_day)::timestamptz, sqlc.arg(from_week)::timestamptz, interval '24 hours'), sqlc.arg(from_week)::timestamptz
    UNION ALL
    SELECT 'day', generate_series(sqlc.arg(until_week)::timestamptz, sqlc.arg(until_day)::timestamptz, interval '24 hours'), sqlc.arg(until_day)::timestamptz
    UNION ALL
    SELECT 'hour', generate_series(sqlc.arg(from_time)::timestamptz, sqlc.arg(from_day)::timestamptz, interval '1 hour'), sqlc.arg(from_day)::timestamptz
    UNION ALL
    SELECT 'hour', generate_series(sqlc.arg(until_day)::timestamptz, sqlc.arg(until)::timestamptz, interval '1 hour'), sqlc.arg(until)::timestamptz
  ) t
  CROSS JOIN (SELECT unnest(sqlc.arg(among)::text[]) AS value) v
  CROSS JOIN LATERAL (
    SELECT s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico, s.saved_pico,
      s.doubt_pico, s.estimated_events, s.estimated_pico
    FROM usage_slice s
    WHERE s.org_id = $1 AND s.step = t.step AND s.dimension = sqlc.arg(dimension)::text AND s.name = sqlc.arg(name)::text AND s.start = t.start AND s.value = v.value
    LIMIT 1
  ) k
  WHERE sqlc.arg(few)::boolean AND t.start < t.until
  UNION ALL
  SELECT (CASE sqlc.arg(dimension)::text
    WHEN 'agent' THEN u.agent_id::text WHEN 'workspace' THEN u.workspace_id::text WHEN 'virtual_key' THEN u.virtual_key_id::text
    WHEN 'provider' THEN u.provider_id::text WHEN 'route' THEN u.route_id::text WHEN 'model' THEN u.model WHEN 'outcome' THEN u.outcome
    WHEN 'tagged' THEN u.outcome ELSE u.value END)::text, u.events, u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.cost_pico, u.waste_pico, u.saved_pico,
    u.doubt_pico, u.estimated_events, u.estimated_pico
  FROM usage_fresh u
  WHERE u.org_id = $1 AND u.source = sqlc.arg(source)::text AND u.name = sqlc.arg(name)::text
    AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
) x
WHERE x.value IN (SELECT unnest(sqlc.arg(among)::text[]))
GROUP BY x.value
ORDER BY x.value
LIMIT 1000;

-- name: ListSlices :many
-- Sums by hour or by day and one dimension, from a place on.
SELECT x.start, x.value, sum(x.events)::bigint AS events, sum(x.input_tokens)::bigint AS input_tokens, sum(x.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(x.cache_write_tokens)::bigint AS cache_write_tokens, sum(x.output_tokens)::bigint AS output_tokens, sum(x.reasoning_tokens)::bigint AS
  reasoning_tokens, sum(x.cost_pico)::numeric AS cost_pico, sum(x.waste_pico)::numeric AS waste_pico, sum(x.saved_pico)::numeric AS saved_pico,
  sum(x.doubt_pico)::numeric AS doubt_pico, sum(x.estimated_events)::bigint AS estimated_events, sum(x.estimated_pico)::numeric AS estimated_pico
FROM (
  SELECT s.start, s.value, s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico, s.saved_pico,
    s.doubt_pico, s.estimated_events, s.estimated_pico
  FROM usage_slice s
  WHERE s.org_id = $1 AND s.step = sqlc.arg(step)::text AND s.dimension = sqlc.arg(dimension)::text AND s.name = sqlc.arg(name)::text
    AND s.start >= sqlc.arg(from_time)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
  UNION ALL
  SELECT date_trunc(sqlc.arg(step)::text, u.start, 'UTC')::timestamptz, (CASE sqlc.arg(dimension)::text
    WHEN 'agent' THEN u.agent_id::text WHEN 'workspace' THEN u.workspace_id::text WHEN 'virtual_key' THEN u.virtual_key_id::text
    WHEN 'provider' THEN u.provider_id::text WHEN 'route' THEN u.route_id::text WHEN 'model' THEN u.model WHEN 'outcome' THEN u.outcome
    WHEN 'tagged' THEN u.outcome ELSE u.value END)::text, u.events, u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.cost_pico, u.waste_pico, u.saved_pico,
    u.doubt_pico, u.estimated_events, u.estimated_pico
  FROM usage_fresh u
  WHERE u.org_id = $1 AND u.source = sqlc.arg(source)::text AND u.name = sqlc.arg(name)::text
    AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
) x
WHERE (x.start, x.value) > (sqlc.arg(after_start)::timestamptz, sqlc.arg(after_value)::text)
GROUP BY x.start, x.value
ORDER BY x.start, x.value
LIMIT sqlc.arg(at_most);

-- name: ListCellsOf :many
-- Sums by hour or by day of some values of one dimension. Each is looked up by its key: the range holds many more.
SELECT x.start::timestamptz AS start, x.value::text AS value, sum(x.events)::bigint AS events, sum(x.input_tokens)::bigint AS input_tokens, sum(x.cached_input_tokens)::bigint AS cached_input_tokens,
  sum(x.cache_write_tokens)::bigint AS cache_write_tokens, sum(x.output_tokens)::bigint AS output_tokens, sum(x.reasoning_tokens)::bigint AS
  reasoning_tokens, sum(x.cost_pico)::numeric AS cost_pico, sum(x.waste_pico)::numeric AS waste_pico, sum(x.saved_pico)::numeric AS saved_pico,
  sum(x.doubt_pico)::numeric AS doubt_pico, sum(x.estimated_events)::bigint AS estimated_events, sum(x.estimated_pico)::numeric AS estimated_pico
FROM (
  SELECT t.start, v.value, s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico, s.saved_pico,
    s.doubt_pico, s.estimated_events, s.estimated_pico
  FROM (SELECT generate_series(sqlc.arg(from_time)::timestamptz, sqlc.arg(until)::timestamptz, CASE sqlc.arg(step)::text WHEN 'day' THEN interval '24 hours' ELSE interval '1 hour' END) AS start) t
  CROSS JOIN (SELECT unnest(sqlc.arg(among)::text[]) AS value) v
  CROSS JOIN LATERAL (
    SELECT s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico, s.saved_pico,
    s.doubt_pico, s.estimated_events, s.estimated_pico
    FROM usage_slice s
    WHERE s.org_id = $1 AND s.step = sqlc.arg(step)::text AND s.dimension = sqlc.arg(dimension)::text AND s.name = sqlc.arg(name)::text
      AND s.start = t.start AND s.value = v.value
    LIMIT 1
  ) s
  WHERE t.start < sqlc.arg(until)::timestamptz
  UNION ALL
  SELECT date_trunc(sqlc.arg(step)::text, u.start, 'UTC')::timestamptz, (CASE sqlc.arg(dimension)::text
    WHEN 'agent' THEN u.agent_id::text WHEN 'workspace' THEN u.workspace_id::text WHEN 'virtual_key' THEN u.virtual_key_id::text
    WHEN 'provider' THEN u.provider_id::text WHEN 'route' THEN u.route_id::text WHEN 'model' THEN u.model WHEN 'outcome' THEN u.outcome
    WHEN 'tagged' THEN u.outcome ELSE u.value END)::text, u.events, u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.cost_pico, u.waste_pico, u.saved_pico,
    u.doubt_pico, u.estimated_events, u.estimated_pico
  FROM usage_fresh u
  WHERE u.org_id = $1 AND u.source = sqlc.arg(source)::text AND u.name = sqlc.arg(name)::text
    AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
) x
WHERE x.value IN (SELECT unnest(sqlc.arg(among)::text[]))
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 1000000;

-- name: ListCosts :many
-- What some values cost in each hour of a range that is summed up. The hours of each are read by an index of its own.
SELECT w.dimension::text AS dimension, w.name::text AS name, w.value::text AS value, s.start, s.cost_pico
FROM (SELECT unnest(sqlc.arg(dimensions)::text[]) AS dimension, unnest(sqlc.arg(names)::text[]) AS name, unnest(sqlc.arg(among)::text[]) AS value) w
CROSS JOIN LATERAL (
  SELECT c.start, c.cost_pico
  FROM usage_slice c
  WHERE c.org_id = $1 AND c.step = 'hour' AND c.dimension = w.dimension AND c.name = w.name AND c.value = w.value
    AND c.start >= sqlc.arg(from_time)::timestamptz AND c.start < sqlc.arg(until)::timestamptz
  OFFSET 0
) s
ORDER BY s.start
LIMIT 10000000;

-- name: ListCostsBy :many
-- What every value of some plain dimensions cost in each hour of a range that is summed up and in which that is not nothing.
SELECT dimension, value, start, cost_pico
FROM usage_slice
WHERE org_id = $1 AND step = 'hour' AND dimension = ANY(sqlc.arg(dimensions)::text[]) AND name = ''
  AND start >= sqlc.arg(from_time)::timestamptz AND start < sqlc.arg(until)::timestamptz AND cost_pico <> 0
LIMIT 10000000;

-- name: ListFreshCosts :many
-- What every value of the plain dimensions cost in each hour of a range that is not summed up yet, in one pass.
SELECT (CASE WHEN grouping(u.workspace_id) = 0 THEN 'workspace' WHEN grouping(u.agent_id) = 0 THEN 'agent' WHEN grouping(u.virtual_key_id) = 0 THEN 'virtual_key'
    WHEN grouping(u.provider_id) = 0 THEN 'provider' WHEN grouping(u.route_id) = 0 THEN 'route' WHEN grouping(u.model) = 0 THEN 'model' ELSE 'outcome' END)::text AS dimension,
  coalesce(u.workspace_id::text, u.agent_id::text, u.virtual_key_id::text, u.provider_id::text, u.route_id::text, u.model, u.outcome)::text AS value,
  u.start::timestamptz AS start, sum(u.cost_pico)::numeric AS cost_pico
FROM usage_fresh u
WHERE u.org_id = $1 AND u.source = 'hour' AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
GROUP BY GROUPING SETS ((u.start, u.workspace_id), (u.start, u.agent_id), (u.start, u.virtual_key_id), (u.start, u.provider_id), (u.start, u.route_id), (u.start, u.model), (u.start, u.outcome))
LIMIT 10000000;

-- name: ListFreshTagCosts :many
-- Likewise what every value of some labels, and every outcome of what has them, cost. The name of end users is empty.
SELECT (CASE WHEN grouping(u.value) > 0 THEN 'tagged' WHEN u.name = '' THEN 'end_user' ELSE 'label' END)::text AS dimension,
  u.name::text AS name, coalesce(CASE WHEN grouping(u.value) = 0 THEN u.value END, u.outcome)::text AS value, u.start::timestamptz AS start, sum(u.cost_pico)::numeric AS cost_pico
FROM usage_fresh u
WHERE u.org_id = $1 AND u.source = 'tag_hour' AND u.name = ANY(sqlc.arg(names)::text[])
  AND u.start >= sqlc.arg(from_time)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
GROUP BY GROUPING SETS ((u.start, u.name, u.value), (u.start, u.name, u.outcome))
LIMIT 10000000;

-- name: ListTagNames :many
-- The labels that calls of a range had: from one name to the next, and each looked for in the range.
WITH RECURSIVE named AS (
  (SELECT t.name FROM usage_tag_hour t WHERE t.org_id = $1 AND t.name > '' ORDER BY t.name LIMIT 1)
  UNION ALL
  SELECT (SELECT t.name FROM usage_tag_hour t WHERE t.org_id = $1 AND t.name > n.name ORDER BY t.name LIMIT 1)
  FROM named n WHERE n.name IS NOT NULL
)
SELECT x.name::text AS name
FROM (
  SELECT n.name FROM named n
  CROSS JOIN LATERAL (SELECT t.hour FROM usage_tag_hour t WHERE t.org_id = $1 AND t.name = n.name AND t.hour >= sqlc.arg(from_hour)::timestamptz AND t.hour < sqlc.arg(until)::timestamptz LIMIT 1) h
  UNION
  SELECT p.name FROM usage_pending_tag p WHERE p.org_id = $1 AND p.name <> '' AND p.started_at >= sqlc.arg(from_hour)::timestamptz AND p.started_at < sqlc.arg(until)::timestamptz
) x
ORDER BY 1
LIMIT 1000;

-- name: SumParts :many
-- The sums of a range that is restricted, in one pass: by outcome (part 1), of the dearest groups (part 2), and of these and all others
-- (is_other) by hour or day (part 3).
WITH part AS MATERIALIZED (
  SELECT CASE WHEN sqlc.arg(by_start)::boolean THEN s.start ELSE 'epoch' END AS start, (CASE sqlc.arg(group_by)::text
      WHEN 'agent' THEN s.agent_id::text WHEN 'workspace' THEN s.workspace_id::text WHEN 'virtual_key' THEN s.virtual_key_id::text
      WHEN 'provider' THEN s.provider_id::text WHEN 'route' THEN s.route_id::text WHEN 'model' THEN s.model WHEN 'outcome' THEN s.outcome
      ELSE s.value END)::text AS group_key, s.outcome,
    sum(s.events) AS events, sum(s.input_tokens) AS input_tokens, sum(s.cached_input_tokens) AS cached_input_tokens, sum(s.cache_write_tokens) AS
    cache_write_tokens, sum(s.output_tokens) AS output_tokens, sum(s.reasoning_tokens) AS reasoning_tokens, sum(s.cost_pico) AS cost_pico,
    sum(s.waste_pico) AS waste_pico, sum(s.saved_pico) AS saved_pico, sum(s.doubt_pico) AS doubt_pico, sum(s.estimated_events) AS estimated_events,
    sum(s.estimated_pico) AS estimated_pico
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
), best AS (
  SELECT p.group_key, row_number() OVER (ORDER BY sum(p.cost_pico) DESC, sum(p.events) DESC, p.group_key) AS place
  FROM part p
  GROUP BY p.group_key
  ORDER BY 2
  LIMIT sqlc.arg(at_most)
)
SELECT y.part::integer AS part, y.place::bigint AS place, y.start::timestamptz AS start, y.group_key::text AS group_key, y.is_other::boolean AS is_other, y.outcome::text AS outcome,
  y.events::bigint AS events, y.input_tokens::bigint AS input_tokens, y.cached_input_tokens::bigint AS cached_input_tokens, y.cache_write_tokens::bigint
  AS cache_write_tokens, y.output_tokens::bigint AS output_tokens, y.reasoning_tokens::bigint AS reasoning_tokens, y.cost_pico::numeric AS cost_pico,
  y.waste_pico::numeric AS waste_pico, y.saved_pico::numeric AS saved_pico, y.doubt_pico::numeric AS doubt_pico, y.estimated_events::bigint AS
  estimated_events, y.estimated_pico::numeric AS estimated_pico
FROM (
  SELECT 1 AS part, 0 AS place, 'epoch'::timestamptz AS start, '' AS group_key, false AS is_other, p.outcome,
    sum(p.events) AS events, sum(p.input_tokens) AS input_tokens, sum(p.cached_input_tokens) AS cached_input_tokens, sum(p.cache_write_tokens) AS
    cache_write_tokens, sum(p.output_tokens) AS output_tokens, sum(p.reasoning_tokens) AS reasoning_tokens, sum(p.cost_pico) AS cost_pico,
    sum(p.waste_pico) AS waste_pico, sum(p.saved_pico) AS saved_pico, sum(p.doubt_pico) AS doubt_pico, sum(p.estimated_events) AS estimated_events,
    sum(p.estimated_pico) AS estimated_pico
  FROM part p GROUP BY p.outcome
  UNION ALL
  SELECT 2, b.place, 'epoch', b.group_key, false, '',
    sum(p.events) AS events, sum(p.input_tokens) AS input_tokens, sum(p.cached_input_tokens) AS cached_input_tokens, sum(p.cache_write_tokens) AS
    cache_write_tokens, sum(p.output_tokens) AS output_tokens, sum(p.reasoning_tokens) AS reasoning_tokens, sum(p.cost_pico) AS cost_pico,
    sum(p.waste_pico) AS waste_pico, sum(p.saved_pico) AS saved_pico, sum(p.doubt_pico) AS doubt_pico, sum(p.estimated_events) AS estimated_events,
    sum(p.estimated_pico) AS estimated_pico
  FROM part p JOIN best b ON b.group_key = p.group_key GROUP BY b.place, b.group_key
  UNION ALL
  SELECT 3, 0, p.start, CASE WHEN b.place <= sqlc.arg(cells)::bigint THEN b.group_key ELSE '' END, b.place IS NULL OR b.place > sqlc.arg(cells)::bigint, '',
    sum(p.events) AS events, sum(p.input_tokens) AS input_tokens, sum(p.cached_input_tokens) AS cached_input_tokens, sum(p.cache_write_tokens) AS
    cache_write_tokens, sum(p.output_tokens) AS output_tokens, sum(p.reasoning_tokens) AS reasoning_tokens, sum(p.cost_pico) AS cost_pico,
    sum(p.waste_pico) AS waste_pico, sum(p.saved_pico) AS saved_pico, sum(p.doubt_pico) AS doubt_pico, sum(p.estimated_events) AS estimated_events,
    sum(p.estimated_pico) AS estimated_pico
  FROM part p LEFT JOIN best b ON b.group_key = p.group_key
  WHERE sqlc.arg(by_start)::boolean
  GROUP BY 3, 4, 5
) y
ORDER BY y.part, y.place, y.start, y.is_other, y.group_key
LIMIT 1000000;

-- name: CountRefusals :many
SELECT h.code, sum(h.events)::bigint AS events
FROM usage_sum h
WHERE h.org_id = $1 AND h.source = 'hour' AND h.outcome = 'refused' AND h.start >= sqlc.arg(from_hour)::timestamptz AND h.start < sqlc.arg(until)::timestamptz
GROUP BY h.code
ORDER BY 2 DESC, 1
LIMIT 1000;

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

-- name: ListRuns :many
-- Runs that began in a range, the dearest first: those that are folded whole by their index, and those of which something is not.
SELECT s.run_id, s.workspace_id, s.agent_id, s.virtual_key_id, s.first_at, s.last_at, s.steps, s.refused, s.failed, s.indeterminate,
  s.events, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.cost_pico, s.waste_pico,
  s.saved_pico, s.doubt_pico, s.estimated_events, s.estimated_pico, coalesce(a.name, '')::text AS agent_name, coalesce(k.name, '')::text AS virtual_key_name,
  coalesce(w.name, '')::text AS workspace_name
FROM (
  SELECT f.org_id, f.run_id, f.workspace_id, f.agent_id, f.virtual_key_id, f.first_at, f.last_at, f.steps, f.refused, f.failed, f.indeterminate,
    f.events, f.input_tokens, f.cached_input_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens, f.cost_pico, f.waste_pico,
    f.saved_pico, f.doubt_pico, f.estimated_events, f.estimated_pico
  FROM (
    SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.refused, r.failed, r.indeterminate,
      r.events, r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico,
      r.saved_pico, r.doubt_pico, r.estimated_events, r.estimated_pico
    FROM usage_run_folded r
    WHERE r.org_id = $1 AND r.first_at >= sqlc.arg(from_time)::timestamptz AND r.first_at < sqlc.arg(until)::timestamptz
      AND (sqlc.arg(run)::text = '' OR r.run_id = sqlc.arg(run)::text)
      AND (sqlc.narg(workspace)::uuid IS NULL OR r.workspace_id = sqlc.narg(workspace)::uuid)
      AND (sqlc.narg(agent)::uuid IS NULL OR r.agent_id = sqlc.narg(agent)::uuid)
      AND (sqlc.narg(virtual_key)::uuid IS NULL OR r.virtual_key_id = sqlc.narg(virtual_key)::uuid)
    ORDER BY r.cost_pico DESC, r.run_id
    LIMIT sqlc.arg(at_most)
  ) AS f
  UNION ALL
  SELECT n.org_id, n.run_id, n.workspace_id, n.agent_id, n.virtual_key_id, n.first_at, n.last_at, n.steps, n.refused, n.failed, n.indeterminate,
    n.events, n.input_tokens, n.cached_input_tokens, n.cache_write_tokens, n.output_tokens, n.reasoning_tokens, n.cost_pico, n.waste_pico,
    n.saved_pico, n.doubt_pico, n.estimated_events, n.estimated_pico
  FROM usage_run_fresh n
  WHERE n.org_id = $1 AND n.first_at >= sqlc.arg(from_time)::timestamptz AND n.first_at < sqlc.arg(until)::timestamptz
    AND (sqlc.arg(run)::text = '' OR n.run_id = sqlc.arg(run)::text)
    AND (sqlc.narg(workspace)::uuid IS NULL OR n.workspace_id = sqlc.narg(workspace)::uuid)
    AND (sqlc.narg(agent)::uuid IS NULL OR n.agent_id = sqlc.narg(agent)::uuid)
    AND (sqlc.narg(virtual_key)::uuid IS NULL OR n.virtual_key_id = sqlc.narg(virtual_key)::uuid)
) s
LEFT JOIN workspace w ON w.org_id = s.org_id AND w.workspace_id = s.workspace_id
LEFT JOIN agent a ON a.org_id = s.org_id AND a.agent_id = s.agent_id
LEFT JOIN virtual_key k ON k.org_id = s.org_id AND k.virtual_key_id = s.virtual_key_id
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

-- name: WhenStarted :many
-- When an event began that began within a time.
SELECT e.started_at
FROM usage_event e
WHERE e.org_id = $1 AND e.event_id = sqlc.arg(event)::uuid AND e.started_at >= sqlc.arg(from_time)::timestamptz AND e.started_at < sqlc.arg(until)::timestamptz
LIMIT 1;

-- name: ListEvents :many
-- Newest first, from a place on.
SELECT e.event_id, e.started_at, e.request_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.end_user, e.labels, e.dialect, e.route_id,
  e.model, e.provider_id, e.provider_model, e.attempt, e.streamed, e.outcome, e.code, e.rule, e.http_status, e.duration_us, e.first_byte_us,
  e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.estimated, e.cost_pico, e.bound_pico,
  e.price_id, e.waste, e.edge_id, e.generation, e.recorded_at, e.count, coalesce(c.saved_pico, e.saved_pico)::bigint AS saved_pico, e.cache_write_hour_tokens, e.audio_input_tokens, e.audio_output_tokens,
  e.image_input_tokens, e.image_output_tokens, e.units, e.service_tier, e.reported, e.discount_id, e.route_version, e.route_path, e.run_source, e.similarity_ppm,
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
  AND (sqlc.arg(route_version)::integer = 0 OR e.route_version = sqlc.arg(route_version)::integer)
  AND (sqlc.arg(route_path)::text = '' OR e.route_path = sqlc.arg(route_path)::text)
  AND (sqlc.arg(end_user)::text = '' OR e.end_user = sqlc.arg(end_user)::text)
  AND (sqlc.arg(run)::text = '' OR e.run_id = sqlc.arg(run)::text)
  AND (sqlc.arg(label_name)::text = '' OR e.labels ->> sqlc.arg(label_name)::text = sqlc.arg(label_value)::text)
ORDER BY e.started_at DESC, e.event_id
LIMIT sqlc.arg(at_most);

-- name: ListHits :many
-- The newest hours of a range that have some values of one dimension: of the days that have them, of the weeks that have them. Each is looked up by
-- its key: the range holds many more. One week and one day more than hours are wanted, since the newest may have them beyond the range alone. What is
-- not folded is added: of what is pending, all hours of a batch that has the values.
WITH weeks AS MATERIALIZED (
  SELECT t.start
  FROM (SELECT s.start FROM usage_slice s WHERE s.org_id = $1 AND s.step = 'week' AND s.dimension = 'outcome' AND s.name = '' ORDER BY s.start LIMIT 1) f
  CROSS JOIN (SELECT s.start FROM usage_slice s WHERE s.org_id = $1 AND s.step = 'week' AND s.dimension = 'outcome' AND s.name = '' ORDER BY s.start DESC LIMIT 1) l
  CROSS JOIN LATERAL (
    SELECT generate_series(greatest(f.start, date_trunc('week', sqlc.arg(from_hour)::timestamptz, 'UTC')), least(l.start, sqlc.arg(until)::timestamptz), interval '168 hours') AS start
  ) t
  CROSS JOIN LATERAL (
    SELECT 1 AS hit
    FROM (SELECT unnest(sqlc.arg(names)::text[]) AS name) n
    CROSS JOIN (SELECT unnest(sqlc.arg(among)::text[]) AS value) v
    CROSS JOIN LATERAL (
      SELECT s.start FROM usage_slice s
      WHERE s.org_id = $1 AND s.step = 'week' AND s.dimension = sqlc.arg(dimension)::text AND s.name = n.name AND s.start = t.start AND s.value = v.value
      LIMIT 1
    ) s
    LIMIT 1
  ) h
  WHERE t.start < sqlc.arg(until)::timestamptz
  ORDER BY t.start DESC
  LIMIT sqlc.arg(at_most)::integer + 1
), days AS MATERIALIZED (
  SELECT t.start
  FROM weeks w
  CROSS JOIN LATERAL (SELECT generate_series(w.start, w.start + interval '144 hours', interval '24 hours') AS start) t
  CROSS JOIN LATERAL (
    SELECT 1 AS hit
    FROM (SELECT unnest(sqlc.arg(names)::text[]) AS name) n
    CROSS JOIN (SELECT unnest(sqlc.arg(among)::text[]) AS value) v
    CROSS JOIN LATERAL (
      SELECT s.start FROM usage_slice s
      WHERE s.org_id = $1 AND s.step = 'day' AND s.dimension = sqlc.arg(dimension)::text AND s.name = n.name AND s.start = t.start AND s.value = v.value
      LIMIT 1
    ) s
    LIMIT 1
  ) h
  WHERE t.start > sqlc.arg(from_hour)::timestamptz - interval '24 hours' AND t.start < sqlc.arg(until)::timestamptz
  ORDER BY t.start DESC
  LIMIT sqlc.arg(at_most)::integer + 1
)
SELECT x.start::timestamptz AS start
FROM (
  SELECT t.start
  FROM days d
  CROSS JOIN LATERAL (SELECT generate_series(d.start, d.start + interval '23 hours', interval '1 hour') AS start) t
  CROSS JOIN LATERAL (
    SELECT 1 AS hit
    FROM (SELECT unnest(sqlc.arg(names)::text[]) AS name) n
    CROSS JOIN (SELECT unnest(sqlc.arg(among)::text[]) AS value) v
    CROSS JOIN LATERAL (
      SELECT s.start FROM usage_slice s
      WHERE s.org_id = $1 AND s.step = 'hour' AND s.dimension = sqlc.arg(dimension)::text AND s.name = n.name AND s.start = t.start AND s.value = v.value
      LIMIT 1
    ) s
    LIMIT 1
  ) h
  WHERE t.start >= sqlc.arg(from_hour)::timestamptz AND t.start < sqlc.arg(until)::timestamptz
  UNION
  SELECT h.hour
  FROM usage_hour h
  WHERE h.org_id = $1 AND sqlc.arg(source)::text = 'hour' AND h.hour >= (SELECT coalesce(max(f.summed_until), '-infinity') FROM usage_fold f WHERE f.org_id = $1)
    AND (CASE sqlc.arg(dimension)::text
      WHEN 'agent' THEN h.agent_id::text WHEN 'workspace' THEN h.workspace_id::text WHEN 'virtual_key' THEN h.virtual_key_id::text
      WHEN 'provider' THEN h.provider_id::text WHEN 'route' THEN h.route_id::text WHEN 'model' THEN h.model ELSE h.outcome END)::text = ANY(sqlc.arg(among)::text[])
  UNION
  SELECT h.hour
  FROM (SELECT unnest(sqlc.arg(names)::text[]) AS name) n
  JOIN usage_tag_hour h ON h.name = n.name
  WHERE h.org_id = $1 AND sqlc.arg(source)::text = 'tag_hour' AND h.hour >= (SELECT coalesce(max(f.summed_until), '-infinity') FROM usage_fold f WHERE f.org_id = $1)
    AND h.value = ANY(sqlc.arg(among)::text[])
  UNION
  SELECT date_trunc('hour', unnest(p.started_at), 'UTC')
  FROM usage_pending p
  WHERE p.org_id = $1 AND CASE sqlc.arg(dimension)::text
    WHEN 'agent' THEN p.agent_id::text[] && sqlc.arg(among)::text[] WHEN 'workspace' THEN p.workspace_id::text[] && sqlc.arg(among)::text[]
    WHEN 'virtual_key' THEN p.virtual_key_id::text[] && sqlc.arg(among)::text[] WHEN 'provider' THEN p.provider_id::text[] && sqlc.arg(among)::text[]
    WHEN 'route' THEN p.route_id::text[] && sqlc.arg(among)::text[] WHEN 'model' THEN p.model && sqlc.arg(among)::text[]
    WHEN 'outcome' THEN p.outcome && sqlc.arg(among)::text[] ELSE p.tag_name && sqlc.arg(names)::text[] AND p.tag_value && sqlc.arg(among)::text[] END
) x
WHERE x.start >= sqlc.arg(from_hour)::timestamptz AND x.start < sqlc.arg(until)::timestamptz
ORDER BY 1 DESC
LIMIT sqlc.arg(at_most)::integer;

-- name: ListDayWith :many
-- The newest day of a range in which calls have some things in common; sums by one dimension say of each thing alone that there is some. Days are read
-- from the newest on, by their key, until one has such.
SELECT x.start::timestamptz AS start
FROM (
  (SELECT d.start
  FROM usage_day d
  WHERE d.org_id = $1 AND d.start > sqlc.arg(from_hour)::timestamptz - interval '24 hours' AND d.start < sqlc.arg(until)::timestamptz
    AND (sqlc.narg(workspace)::uuid IS NULL OR d.workspace_id = sqlc.narg(workspace)::uuid)
    AND (sqlc.narg(agent)::uuid IS NULL OR d.agent_id = sqlc.narg(agent)::uuid)
    AND (sqlc.narg(virtual_key)::uuid IS NULL OR d.virtual_key_id = sqlc.narg(virtual_key)::uuid)
    AND (sqlc.narg(provider)::uuid IS NULL OR d.provider_id = sqlc.narg(provider)::uuid)
    AND (sqlc.narg(route)::uuid IS NULL OR d.route_id = sqlc.narg(route)::uuid)
    AND (sqlc.arg(model)::text = '' OR d.model IN (sqlc.arg(model)::text, sqlc.arg(no_route)::text))
    AND (sqlc.arg(outcome)::text = '' OR d.outcome = sqlc.arg(outcome)::text)
    AND (sqlc.arg(code)::text = '' OR d.code = sqlc.arg(code)::text)
  ORDER BY d.start DESC
  LIMIT 1)
  UNION ALL
  SELECT date_trunc('day', max(u.start), 'UTC')
  FROM usage_fresh u
  WHERE u.org_id = $1 AND u.source = 'hour' AND u.start >= sqlc.arg(from_hour)::timestamptz AND u.start < sqlc.arg(until)::timestamptz
    AND (sqlc.narg(workspace)::uuid IS NULL OR u.workspace_id = sqlc.narg(workspace)::uuid)
    AND (sqlc.narg(agent)::uuid IS NULL OR u.agent_id = sqlc.narg(agent)::uuid)
    AND (sqlc.narg(virtual_key)::uuid IS NULL OR u.virtual_key_id = sqlc.narg(virtual_key)::uuid)
    AND (sqlc.narg(provider)::uuid IS NULL OR u.provider_id = sqlc.narg(provider)::uuid)
    AND (sqlc.narg(route)::uuid IS NULL OR u.route_id = sqlc.narg(route)::uuid)
    AND (sqlc.arg(model)::text = '' OR u.model IN (sqlc.arg(model)::text, sqlc.arg(no_route)::text))
    AND (sqlc.arg(outcome)::text = '' OR u.outcome = sqlc.arg(outcome)::text)
    AND (sqlc.arg(code)::text = '' OR u.code = sqlc.arg(code)::text)
) x
WHERE x.start IS NOT NULL
ORDER BY x.start DESC
LIMIT 1;

-- name: ListHoursWith :many
-- The newest hours of a day in which calls have some things in common.
SELECT s.start::timestamptz AS start
FROM usage_sum s
WHERE s.org_id = $1 AND s.source = 'hour' AND s.start >= sqlc.arg(from_hour)::timestamptz AND s.start < sqlc.arg(until)::timestamptz
    AND (sqlc.narg(workspace)::uuid IS NULL OR s.workspace_id = sqlc.narg(workspace)::uuid)
    AND (sqlc.narg(agent)::uuid IS NULL OR s.agent_id = sqlc.narg(agent)::uuid)
    AND (sqlc.narg(virtual_key)::uuid IS NULL OR s.virtual_key_id = sqlc.narg(virtual_key)::uuid)
    AND (sqlc.narg(provider)::uuid IS NULL OR s.provider_id = sqlc.narg(provider)::uuid)
    AND (sqlc.narg(route)::uuid IS NULL OR s.route_id = sqlc.narg(route)::uuid)
    AND (sqlc.arg(model)::text = '' OR s.model IN (sqlc.arg(model)::text, sqlc.arg(no_route)::text))
    AND (sqlc.arg(outcome)::text = '' OR s.outcome = sqlc.arg(outcome)::text)
    AND (sqlc.arg(code)::text = '' OR s.code = sqlc.arg(code)::text)
GROUP BY s.start
ORDER BY s.start DESC
LIMIT 24;

-- name: GetPrice :one
-- A row of the catalog, charged still or not, or one of the organization's own.
SELECT price_id, 'list'::text AS kind, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, 0::integer AS discount_per_mille
FROM model_price WHERE model_price.price_id = sqlc.arg(price_id)::uuid
UNION ALL
SELECT price_id, kind, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, discount_per_mille
FROM org_price WHERE org_id = $1 AND org_price.price_id = sqlc.arg(price_id)::uuid;

