-- Usage summed up by hour and by day (UTC) in every dimension, by label and end user, and by run. A replica of before cannot take usage in
-- any more: edges keep it until the new one does.

-- +goose Up
LOCK TABLE usage_event, usage_hour IN EXCLUSIVE MODE;

ALTER TABLE usage_event
  ADD COLUMN count      bigint NOT NULL DEFAULT 1 CHECK (count > 0), -- refusals that were counted together; else 1
  ADD COLUMN saved_pico bigint NOT NULL DEFAULT 0 CHECK (saved_pico >= 0); -- what tokens read from a cache would have cost more as plain input

ALTER TABLE usage_hour
  ADD COLUMN route_id         uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  ADD COLUMN saved_pico       numeric(38, 0) NOT NULL DEFAULT 0,
  ADD COLUMN doubt_pico       numeric(38, 0) NOT NULL DEFAULT 0, -- of indeterminate events: what they may have cost beyond cost_pico
  ADD COLUMN estimated_events bigint NOT NULL DEFAULT 0,
  ADD COLUMN estimated_pico   numeric(38, 0) NOT NULL DEFAULT 0, -- of cost_pico: of tokens that were counted here
  DROP CONSTRAINT usage_hour_pkey,
  ADD PRIMARY KEY (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code),
  SET (fillfactor = 80); -- sums are added to in place
ALTER TABLE usage_hour
  ALTER COLUMN route_id DROP DEFAULT,
  ALTER COLUMN saved_pico DROP DEFAULT,
  ALTER COLUMN doubt_pico DROP DEFAULT,
  ALTER COLUMN estimated_events DROP DEFAULT,
  ALTER COLUMN estimated_pico DROP DEFAULT;

CREATE TABLE usage_day (
  org_id              uuid NOT NULL,
  day                 timestamptz NOT NULL, -- its midnight, UTC
  workspace_id        uuid NOT NULL,
  agent_id            uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  provider_id         uuid NOT NULL,
  route_id            uuid NOT NULL,
  model               text NOT NULL,
  outcome             text NOT NULL,
  code                text NOT NULL,
  events              bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_pico           numeric(38, 0) NOT NULL,
  waste_pico          numeric(38, 0) NOT NULL,
  saved_pico          numeric(38, 0) NOT NULL,
  doubt_pico          numeric(38, 0) NOT NULL,
  estimated_events    bigint NOT NULL,
  estimated_pico      numeric(38, 0) NOT NULL,
  PRIMARY KEY (org_id, day, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code)
) WITH (fillfactor = 80);

-- Sums of the events that carry a label. The name '' is the end user: no label is called so. Names and values beyond the bounds of ingest are
-- summed up under '(other)'. An event with several labels is in several rows, and once in those of one name.
CREATE TABLE usage_tag_hour (
  org_id              uuid NOT NULL,
  hour                timestamptz NOT NULL,
  name                text NOT NULL,
  value               text NOT NULL,
  workspace_id        uuid NOT NULL,
  agent_id            uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  provider_id         uuid NOT NULL,
  route_id            uuid NOT NULL,
  model               text NOT NULL,
  outcome             text NOT NULL,
  code                text NOT NULL,
  events              bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_pico           numeric(38, 0) NOT NULL,
  waste_pico          numeric(38, 0) NOT NULL,
  saved_pico          numeric(38, 0) NOT NULL,
  doubt_pico          numeric(38, 0) NOT NULL,
  estimated_events    bigint NOT NULL,
  estimated_pico      numeric(38, 0) NOT NULL,
  PRIMARY KEY (org_id, name, hour, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code)
) WITH (fillfactor = 80);

CREATE TABLE usage_tag_day (
  org_id              uuid NOT NULL,
  day                 timestamptz NOT NULL,
  name                text NOT NULL,
  value               text NOT NULL,
  workspace_id        uuid NOT NULL,
  agent_id            uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  provider_id         uuid NOT NULL,
  route_id            uuid NOT NULL,
  model               text NOT NULL,
  outcome             text NOT NULL,
  code                text NOT NULL,
  events              bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_pico           numeric(38, 0) NOT NULL,
  waste_pico          numeric(38, 0) NOT NULL,
  saved_pico          numeric(38, 0) NOT NULL,
  doubt_pico          numeric(38, 0) NOT NULL,
  estimated_events    bigint NOT NULL,
  estimated_pico      numeric(38, 0) NOT NULL,
  PRIMARY KEY (org_id, name, day, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code)
) WITH (fillfactor = 80);

-- One row for each run that the caller named. A call that names none has its own id for its run, and no row here.
CREATE TABLE usage_run (
  org_id              uuid NOT NULL,
  run_id              text NOT NULL,
  workspace_id        uuid NOT NULL, -- these three are those of the earliest event
  agent_id            uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  first_at            timestamptz NOT NULL,
  last_at             timestamptz NOT NULL,
  steps               bigint NOT NULL, -- requests, whatever the number of their attempts
  events              bigint NOT NULL,
  refused             bigint NOT NULL,
  failed              bigint NOT NULL, -- the provider failed or the caller hung up
  indeterminate       bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_pico           numeric(38, 0) NOT NULL,
  waste_pico          numeric(38, 0) NOT NULL,
  saved_pico          numeric(38, 0) NOT NULL,
  doubt_pico          numeric(38, 0) NOT NULL,
  estimated_events    bigint NOT NULL,
  estimated_pico      numeric(38, 0) NOT NULL,
  PRIMARY KEY (org_id, run_id)
) WITH (fillfactor = 80);
CREATE INDEX usage_run_first_idx ON usage_run (org_id, first_at DESC);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['usage_day', 'usage_tag_hour', 'usage_tag_day', 'usage_run'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON usage_day, usage_tag_hour, usage_tag_day, usage_run TO tollgate_app;

-- What is there already. Hours whose events are all kept are summed up again, in the new dimensions; the others stay as they are, without a
-- route. The row policy binds the owner too: one organization at a time.
-- +goose StatementBegin
DO $$
DECLARE
  o uuid;
  none CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> none ORDER BY g.org_id LOOP
    PERFORM set_config('app.org', o::text, true);
    UPDATE usage_event e SET saved_pico = least(e.cached_input_tokens::numeric * greatest(p.input_pico - p.cached_input_pico, 0), 9223372036854775807)
    FROM model_price p WHERE e.org_id = o AND e.cached_input_tokens > 0 AND p.price_id = e.price_id;

    CREATE TEMPORARY TABLE whole ON COMMIT DROP AS
    SELECT h.hour FROM (SELECT hour, sum(events) AS events FROM usage_hour WHERE org_id = o GROUP BY hour) h
    JOIN (SELECT date_trunc('hour', started_at, 'UTC') AS hour, count(*) AS events FROM usage_event WHERE org_id = o GROUP BY 1) e
      ON e.hour = h.hour AND e.events = h.events;
    DELETE FROM usage_hour WHERE org_id = o AND hour IN (SELECT hour FROM whole);
    INSERT INTO usage_hour (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, events, input_tokens,
      cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico)
    SELECT o, date_trunc('hour', started_at, 'UTC'), workspace_id, coalesce(agent_id, none), virtual_key_id, coalesce(provider_id, none),
      coalesce(route_id, none), CASE WHEN provider_id IS NULL AND route_id IS NULL THEN '(no route)' ELSE model END, outcome, code, count(*),
      sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico),
      sum(CASE WHEN waste THEN cost_pico ELSE 0 END), sum(saved_pico),
      sum(CASE WHEN outcome = 'indeterminate' THEN greatest(bound_pico - cost_pico, 0) ELSE 0 END),
      sum(CASE WHEN estimated THEN 1 ELSE 0 END), sum(CASE WHEN estimated THEN cost_pico ELSE 0 END)
    FROM usage_event WHERE org_id = o AND date_trunc('hour', started_at, 'UTC') IN (SELECT hour FROM whole)
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10;
    DROP TABLE whole;

    INSERT INTO usage_day
    SELECT o, date_trunc('day', hour, 'UTC'), workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code, sum(events),
      sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico),
      sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_hour WHERE org_id = o GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10;

    INSERT INTO usage_tag_hour
    SELECT o, date_trunc('hour', e.started_at, 'UTC'), t.name, left(t.value, 512), e.workspace_id, coalesce(e.agent_id, none), e.virtual_key_id,
      coalesce(e.provider_id, none), coalesce(e.route_id, none), CASE WHEN e.provider_id IS NULL AND e.route_id IS NULL THEN '(no route)' ELSE e.model END,
      e.outcome, e.code, count(*), sum(e.input_tokens), sum(e.cached_input_tokens), sum(e.cache_write_tokens), sum(e.output_tokens),
      sum(e.reasoning_tokens), sum(e.cost_pico), sum(CASE WHEN e.waste THEN e.cost_pico ELSE 0 END), sum(e.saved_pico),
      sum(CASE WHEN e.outcome = 'indeterminate' THEN greatest(e.bound_pico - e.cost_pico, 0) ELSE 0 END),
      sum(CASE WHEN e.estimated THEN 1 ELSE 0 END), sum(CASE WHEN e.estimated THEN e.cost_pico ELSE 0 END)
    FROM usage_event e,
      LATERAL (SELECT '' AS name, e.end_user AS value WHERE e.end_user <> '' UNION ALL SELECT key, value FROM jsonb_each_text(e.labels) WHERE key <> '') AS t
    WHERE e.org_id = o
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;
    INSERT INTO usage_tag_day
    SELECT o, date_trunc('day', hour, 'UTC'), name, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
      sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico),
      sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_tag_hour WHERE org_id = o GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;

    INSERT INTO usage_run
    SELECT o, run_id, (array_agg(workspace_id ORDER BY started_at))[1], coalesce((array_agg(agent_id ORDER BY started_at))[1], none),
      (array_agg(virtual_key_id ORDER BY started_at))[1], min(started_at), max(started_at + duration_us * interval '1 microsecond'),
      sum(CASE WHEN attempt <= 1 THEN 1 ELSE 0 END), count(*), sum(CASE WHEN outcome = 'refused' THEN 1 ELSE 0 END),
      sum(CASE WHEN outcome IN ('upstream_failed', 'client_closed') THEN 1 ELSE 0 END), sum(CASE WHEN outcome = 'indeterminate' THEN 1 ELSE 0 END),
      sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico),
      sum(CASE WHEN waste THEN cost_pico ELSE 0 END), sum(saved_pico),
      sum(CASE WHEN outcome = 'indeterminate' THEN greatest(bound_pico - cost_pico, 0) ELSE 0 END),
      sum(CASE WHEN estimated THEN 1 ELSE 0 END), sum(CASE WHEN estimated THEN cost_pico ELSE 0 END)
    FROM usage_event WHERE org_id = o AND run_id <> '' AND run_id <> request_id::text GROUP BY run_id;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE usage_run, usage_tag_day, usage_tag_hour, usage_day;
CREATE TEMPORARY TABLE usage_hour_before (LIKE usage_hour) ON COMMIT DROP;
-- +goose StatementBegin
DO $$
DECLARE o uuid;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    INSERT INTO usage_hour_before SELECT * FROM usage_hour WHERE org_id = o;
    DELETE FROM usage_hour WHERE org_id = o;
  END LOOP;
END
$$;
-- +goose StatementEnd
ALTER TABLE usage_hour
  DROP COLUMN route_id, -- and with it the primary key
  DROP COLUMN saved_pico,
  DROP COLUMN doubt_pico,
  DROP COLUMN estimated_events,
  DROP COLUMN estimated_pico,
  ADD PRIMARY KEY (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, model, outcome, code);
-- +goose StatementBegin
DO $$
DECLARE o uuid;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    INSERT INTO usage_hour (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, model, outcome, code, events, input_tokens,
      cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico)
    SELECT org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, model, outcome, code, sum(events), sum(input_tokens),
      sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico)
    FROM usage_hour_before WHERE org_id = o GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
  END LOOP;
END
$$;
-- +goose StatementEnd
ALTER TABLE usage_event DROP COLUMN count, DROP COLUMN saved_pico;
