-- Usage is summed up in the background. A batch leaves what it adds to the sums as one row of usage_pending; the folder adds many of them to
-- hours, labels by hour and runs at once. Until then they are read from there, so that every sum is exact at any time.
-- A replica of before adds to the sums itself, and takes the locks that keep an hour from being folded meanwhile: both may run at once.

-- +goose Up
-- Every column of an array has one element for each event or correction, in that order.
CREATE TABLE usage_pending (
  org_id              uuid NOT NULL,
  pending_id          bigint GENERATED ALWAYS AS IDENTITY,
  first_at            timestamptz NOT NULL, -- when the earliest of them began
  lines               integer NOT NULL CHECK (lines > 0),
  started_at          timestamptz[] NOT NULL,
  ended_at            timestamptz[] NOT NULL,
  run_id              text[] NOT NULL, -- '': the caller named none
  workspace_id        uuid[] NOT NULL,
  agent_id            uuid[] NOT NULL, -- the zero id: none
  virtual_key_id      uuid[] NOT NULL,
  provider_id         uuid[] NOT NULL,
  route_id            uuid[] NOT NULL,
  model               text[] NOT NULL,
  outcome             text[] NOT NULL,
  code                text[] NOT NULL,
  first_attempt       boolean[] NOT NULL,
  events              bigint[] NOT NULL, -- what it counts for; a correction: 0
  input_tokens        bigint[] NOT NULL,
  cached_input_tokens bigint[] NOT NULL,
  cache_write_tokens  bigint[] NOT NULL,
  output_tokens       bigint[] NOT NULL,
  reasoning_tokens    bigint[] NOT NULL,
  cost_pico           bigint[] NOT NULL,
  saved_pico          bigint[] NOT NULL,
  doubt_pico          bigint[] NOT NULL,
  waste               boolean[] NOT NULL,
  estimated           boolean[] NOT NULL,
  tag_line            integer[] NOT NULL, -- of each label and the end user of each of them: whose it is, from 1 on
  tag_name            text[] NOT NULL, -- '' is the end user
  tag_value           text[] NOT NULL,
  PRIMARY KEY (org_id, pending_id),
  CHECK (lines = ALL (ARRAY[cardinality(started_at), cardinality(ended_at), cardinality(run_id), cardinality(workspace_id), cardinality(agent_id), cardinality(virtual_key_id),
    cardinality(provider_id), cardinality(route_id), cardinality(model), cardinality(outcome), cardinality(code), cardinality(first_attempt),
    cardinality(events), cardinality(input_tokens), cardinality(cached_input_tokens), cardinality(cache_write_tokens), cardinality(output_tokens), cardinality(reasoning_tokens),
    cardinality(cost_pico), cardinality(saved_pico), cardinality(doubt_pico), cardinality(waste), cardinality(estimated)])),
  CHECK (cardinality(tag_line) = ALL (ARRAY[cardinality(tag_name), cardinality(tag_value)]))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50000);
-- Rows live for seconds: to compress them costs more than to write them.
-- +goose StatementBegin
DO $$
DECLARE c text;
BEGIN
  FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'usage_pending'::regclass AND attndims > 0 LOOP
    EXECUTE format('ALTER TABLE usage_pending ALTER COLUMN %I SET STORAGE EXTERNAL', c);
  END LOOP;
END
$$;
-- +goose StatementEnd
ALTER TABLE usage_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_pending FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_pending USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, DELETE ON usage_pending TO tollgate_app;

-- What is pending, a row for each event, with the figures of the sums.
CREATE VIEW usage_pending_event WITH (security_invoker = true) AS
SELECT u.org_id, u.pending_id, u.started_at, u.ended_at, u.run_id, u.workspace_id, u.agent_id, u.virtual_key_id, u.provider_id, u.route_id, u.model,
  u.outcome, u.code, u.line, CASE WHEN u.first_attempt THEN u.events ELSE 0 END AS steps, u.events, u.input_tokens, u.cached_input_tokens,
  u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.cost_pico, CASE WHEN u.waste THEN u.cost_pico ELSE 0 END AS waste_pico,
  u.saved_pico, u.doubt_pico, CASE WHEN u.estimated THEN u.events ELSE 0 END AS estimated_events,
  CASE WHEN u.estimated THEN u.cost_pico ELSE 0 END AS estimated_pico
FROM (
  SELECT p.org_id, p.pending_id, generate_subscripts(p.started_at, 1) AS line,
    unnest(p.started_at) AS started_at, unnest(p.ended_at) AS ended_at, unnest(p.run_id) AS run_id, unnest(p.workspace_id) AS workspace_id,
    unnest(p.agent_id) AS agent_id, unnest(p.virtual_key_id) AS virtual_key_id, unnest(p.provider_id) AS provider_id, unnest(p.route_id) AS route_id,
    unnest(p.model) AS model, unnest(p.outcome) AS outcome, unnest(p.code) AS code, unnest(p.first_attempt) AS first_attempt,
    unnest(p.events) AS events, unnest(p.input_tokens) AS input_tokens, unnest(p.cached_input_tokens) AS cached_input_tokens, unnest(p.cache_write_tokens) AS cache_write_tokens,
    unnest(p.output_tokens) AS output_tokens, unnest(p.reasoning_tokens) AS reasoning_tokens, unnest(p.cost_pico) AS cost_pico, unnest(p.saved_pico) AS saved_pico,
    unnest(p.doubt_pico) AS doubt_pico, unnest(p.waste) AS waste, unnest(p.estimated) AS estimated
  FROM usage_pending p
) AS u;
-- The same, once for each label and the end user.
CREATE VIEW usage_pending_tag WITH (security_invoker = true) AS
SELECT e.org_id, e.pending_id, e.started_at, t.name, t.value, e.workspace_id, e.agent_id, e.virtual_key_id, e.provider_id, e.route_id, e.model, e.outcome, e.code,
  e.events, e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.cost_pico, e.waste_pico, e.saved_pico,
  e.doubt_pico, e.estimated_events, e.estimated_pico
FROM usage_pending_event e
JOIN (
  SELECT p.org_id, p.pending_id, unnest(p.tag_line) AS line, unnest(p.tag_name) AS name, unnest(p.tag_value) AS value
  FROM usage_pending p
) AS t ON t.org_id = e.org_id AND t.pending_id = e.pending_id AND t.line = e.line;
GRANT SELECT ON usage_pending_event, usage_pending_tag TO tollgate_app;

DROP VIEW usage_sum;
-- One shape to read all sums in. The source is the table without usage_; a query that names one reads its tables alone. The row policy leaves
-- of usage_fold one organization's row.
CREATE VIEW usage_sum WITH (security_invoker = true) AS
SELECT 'hour'::text AS source, org_id, hour AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour
UNION ALL
SELECT 'day'::text AS source, org_id, start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_day
UNION ALL
SELECT 'day'::text AS source, org_id, date_trunc('day', hour, 'UTC') AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour WHERE hour >= (SELECT coalesce(max(folded_until), '-infinity') FROM usage_fold)
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, hour AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour
UNION ALL
SELECT 'tag_day'::text AS source, org_id, start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_day
UNION ALL
SELECT 'tag_day'::text AS source, org_id, date_trunc('day', hour, 'UTC') AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour WHERE hour >= (SELECT coalesce(max(folded_until), '-infinity') FROM usage_fold)
UNION ALL
SELECT 'hour'::text AS source, org_id, date_trunc('hour', started_at, 'UTC') AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_event
UNION ALL
SELECT 'day'::text AS source, org_id, date_trunc('day', started_at, 'UTC') AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_event
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, date_trunc('hour', started_at, 'UTC') AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_tag
UNION ALL
SELECT 'tag_day'::text AS source, org_id, date_trunc('day', started_at, 'UTC') AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_tag;
GRANT SELECT ON usage_sum TO tollgate_app;

-- The same for runs.
CREATE VIEW usage_run_sum WITH (security_invoker = true) AS
SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
  r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
  r.estimated_events, r.estimated_pico
FROM usage_run r
WHERE NOT EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id)
UNION ALL
SELECT s.org_id, s.run_id, (array_agg(s.workspace_id ORDER BY s.first_at))[1], (array_agg(s.agent_id ORDER BY s.first_at))[1],
  (array_agg(s.virtual_key_id ORDER BY s.first_at))[1], min(s.first_at), max(s.last_at),
  sum(s.steps)::bigint, sum(s.events)::bigint, sum(s.refused)::bigint, sum(s.failed)::bigint, sum(s.indeterminate)::bigint, sum(s.input_tokens)::bigint,
  sum(s.cached_input_tokens)::bigint, sum(s.cache_write_tokens)::bigint, sum(s.output_tokens)::bigint, sum(s.reasoning_tokens)::bigint, sum(s.cost_pico), sum(s.waste_pico),
  sum(s.saved_pico), sum(s.doubt_pico), sum(s.estimated_events)::bigint, sum(s.estimated_pico)
FROM (
  SELECT e.org_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.started_at AS first_at, e.ended_at AS last_at, e.steps, e.events,
    CASE WHEN e.outcome = 'refused' THEN e.events ELSE 0 END AS refused, CASE WHEN e.outcome IN ('upstream_failed', 'client_closed') THEN e.events ELSE 0 END AS failed,
    CASE WHEN e.outcome = 'indeterminate' THEN e.events ELSE 0 END AS indeterminate,
    e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.cost_pico, e.waste_pico, e.saved_pico, e.doubt_pico,
    e.estimated_events, e.estimated_pico
  FROM usage_pending_event e
  WHERE e.run_id <> ''
  UNION ALL
  SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
    r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
    r.estimated_events, r.estimated_pico
  FROM usage_run r
  WHERE EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id)
) AS s
GROUP BY s.org_id, s.run_id;
GRANT SELECT ON usage_run_sum TO tollgate_app;

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE o uuid;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    IF EXISTS (SELECT FROM usage_pending WHERE org_id = o) THEN
      RAISE EXCEPTION 'usage of % is not summed up yet', o USING HINT = 'Cut the edges off and let a control plane run until usage_pending is empty.';
    END IF;
  END LOOP;
END
$$;
-- +goose StatementEnd
DROP VIEW usage_run_sum, usage_sum, usage_pending_tag, usage_pending_event;
DROP TABLE usage_pending;
CREATE VIEW usage_sum WITH (security_invoker = true) AS
SELECT 'hour'::text AS source, org_id, hour AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour
UNION ALL
SELECT 'day'::text AS source, org_id, start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_day
UNION ALL
SELECT 'day'::text AS source, org_id, date_trunc('day', hour, 'UTC') AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour WHERE hour >= (SELECT coalesce(max(folded_until), '-infinity') FROM usage_fold)
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, hour AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour
UNION ALL
SELECT 'tag_day'::text AS source, org_id, start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_day
UNION ALL
SELECT 'tag_day'::text AS source, org_id, date_trunc('day', hour, 'UTC') AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour WHERE hour >= (SELECT coalesce(max(folded_until), '-infinity') FROM usage_fold);
GRANT SELECT ON usage_sum TO tollgate_app;
