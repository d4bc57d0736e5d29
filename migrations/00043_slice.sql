-- Usage summed up by one dimension alone, by hour, by day and by week (UTC): what pages ask for most, in few rows. It is made of hours that are
-- over. What is not over, or not folded, is read from where it is (usage_fresh), so that every sum is exact at any time.
-- A control plane of before cannot fold any more, since it would leave this table out: what is pending waits for the new one.

-- +goose Up
LOCK TABLE usage_fold IN EXCLUSIVE MODE; -- who writes sums has a row of it; it may be read meanwhile

CREATE TABLE usage_slice (
  org_id              uuid NOT NULL,
  step                text NOT NULL CHECK (step IN ('hour', 'day', 'week')),
  dimension           text NOT NULL CHECK (dimension IN ('workspace', 'agent', 'virtual_key', 'provider', 'route', 'model', 'outcome', 'end_user', 'label', 'tagged')),
  name                text NOT NULL, -- the label's; '' is none, and the end user. The values of "tagged" are the outcomes of calls that have the label
  start               timestamptz NOT NULL,
  value               text NOT NULL,
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
  PRIMARY KEY (org_id, step, dimension, name, start, value)
) WITH (fillfactor = 80);
ALTER TABLE usage_slice ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_slice FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_slice USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON usage_slice TO tollgate_app;

-- One value's days, of thousands that a day has.
CREATE INDEX usage_tag_day_value_idx ON usage_tag_day (org_id, name, value, start);

-- What is folded already. The row policy binds the owner too: one organization at a time.
-- +goose StatementBegin
DO $$
DECLARE
  o uuid;
  s text;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' ORDER BY g.org_id LOOP
    PERFORM set_config('app.org', o::text, true);
    INSERT INTO usage_slice
    SELECT o, 'hour', CASE WHEN workspace_id IS NOT NULL THEN 'workspace' WHEN agent_id IS NOT NULL THEN 'agent' WHEN virtual_key_id IS NOT NULL THEN 'virtual_key'
        WHEN provider_id IS NOT NULL THEN 'provider' WHEN route_id IS NOT NULL THEN 'route' WHEN model IS NOT NULL THEN 'model' ELSE 'outcome' END,
      '', hour, coalesce(workspace_id::text, agent_id::text, virtual_key_id::text, provider_id::text, route_id::text, model, outcome), sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_hour WHERE org_id = o AND hour < (SELECT folded_until FROM usage_fold WHERE org_id = o)
    GROUP BY GROUPING SETS ((hour, workspace_id), (hour, agent_id), (hour, virtual_key_id), (hour, provider_id), (hour, route_id), (hour, model), (hour, outcome));
    INSERT INTO usage_slice
    SELECT o, 'hour', CASE WHEN value IS NULL THEN 'tagged' WHEN name = '' THEN 'end_user' ELSE 'label' END, name, hour, coalesce(value, outcome),
      sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_tag_hour WHERE org_id = o AND hour < (SELECT folded_until FROM usage_fold WHERE org_id = o)
    GROUP BY GROUPING SETS ((hour, name, value), (hour, name, outcome));
    FOREACH s IN ARRAY ARRAY['day', 'week'] LOOP
      INSERT INTO usage_slice
      SELECT o, s, dimension, name, date_trunc(s, start, 'UTC'), value, sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
      FROM usage_slice WHERE org_id = o AND step = CASE s WHEN 'day' THEN 'hour' ELSE 'day' END GROUP BY dimension, name, date_trunc(s, start, 'UTC'), value;
    END LOOP;
  END LOOP;
END
$$;
-- +goose StatementEnd

ALTER TABLE usage_fold RENAME COLUMN folded_until TO summed_until;
-- What usage_slice lacks, by hour. The row policy leaves of usage_fold one organization's row.
CREATE VIEW usage_fresh WITH (security_invoker = true) AS
SELECT 'hour'::text AS source, org_id, hour AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour WHERE hour >= (SELECT coalesce(max(summed_until), '-infinity') FROM usage_fold)
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, hour AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour WHERE hour >= (SELECT coalesce(max(summed_until), '-infinity') FROM usage_fold)
UNION ALL
SELECT 'hour'::text AS source, org_id, date_trunc('hour', started_at, 'UTC') AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_event
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, date_trunc('hour', started_at, 'UTC') AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_pending_tag;
GRANT SELECT ON usage_fresh TO tollgate_app;

-- +goose Down
DROP VIEW usage_fresh;
DROP INDEX usage_tag_day_value_idx;
DROP TABLE usage_slice;
ALTER TABLE usage_fold RENAME COLUMN summed_until TO folded_until;
