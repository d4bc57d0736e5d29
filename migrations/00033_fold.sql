-- Days are folded out of hours that are over, in the background. Until then they are read from the hours. A replica of before cannot take
-- usage in any more, since it would add to days what is folded later: edges keep it until the new one does.

-- +goose Up
LOCK TABLE usage_event, usage_hour, usage_day, usage_tag_hour, usage_tag_day IN EXCLUSIVE MODE;

-- What of an organization's hours is in its days: those that begin before folded_until. No row: none.
CREATE TABLE usage_fold (
  org_id       uuid PRIMARY KEY,
  folded_until timestamptz NOT NULL
);
ALTER TABLE usage_fold ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_fold FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_fold USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON usage_fold TO tollgate_app;

-- Every hour of before is in its day already. The row policy binds the owner too: one organization at a time.
-- +goose StatementBegin
DO $$
DECLARE o uuid;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    INSERT INTO usage_fold (org_id, folded_until) SELECT o, max(hour) + interval '1 hour' FROM usage_hour WHERE org_id = o HAVING count(*) > 0;
  END LOOP;
END
$$;
-- +goose StatementEnd

DROP VIEW usage_sum;
ALTER TABLE usage_day RENAME COLUMN day TO start;
ALTER TABLE usage_tag_day RENAME COLUMN day TO start;
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
FROM usage_tag_hour WHERE hour >= (SELECT coalesce(max(folded_until), '-infinity') FROM usage_fold);
GRANT SELECT ON usage_sum TO tollgate_app;

-- +goose Down
DROP VIEW usage_sum;
-- +goose StatementBegin
DO $$
DECLARE
  o uuid;
  until timestamptz;
BEGIN
  FOR o IN SELECT g.org_id FROM generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    SELECT coalesce(max(f.folded_until), '-infinity') INTO until FROM usage_fold f WHERE f.org_id = o;
    INSERT INTO usage_day
    SELECT o, date_trunc('day', s.hour, 'UTC'), workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
      sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_hour s WHERE s.org_id = o AND s.hour >= until
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10
    ON CONFLICT (org_id, start, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
      events = usage_day.events + excluded.events, input_tokens = usage_day.input_tokens + excluded.input_tokens, cached_input_tokens = usage_day.cached_input_tokens + excluded.cached_input_tokens, cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens, output_tokens = usage_day.output_tokens + excluded.output_tokens, reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens, cost_pico = usage_day.cost_pico + excluded.cost_pico, waste_pico = usage_day.waste_pico + excluded.waste_pico, saved_pico = usage_day.saved_pico + excluded.saved_pico, doubt_pico = usage_day.doubt_pico + excluded.doubt_pico, estimated_events = usage_day.estimated_events + excluded.estimated_events, estimated_pico = usage_day.estimated_pico + excluded.estimated_pico;
    INSERT INTO usage_tag_day
    SELECT o, date_trunc('day', s.hour, 'UTC'), name, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
      sum(events), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events), sum(estimated_pico)
    FROM usage_tag_hour s WHERE s.org_id = o AND s.hour >= until
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    ON CONFLICT (org_id, name, start, value, workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code) DO UPDATE SET
      events = usage_tag_day.events + excluded.events, input_tokens = usage_tag_day.input_tokens + excluded.input_tokens, cached_input_tokens = usage_tag_day.cached_input_tokens + excluded.cached_input_tokens, cache_write_tokens = usage_tag_day.cache_write_tokens + excluded.cache_write_tokens, output_tokens = usage_tag_day.output_tokens + excluded.output_tokens, reasoning_tokens = usage_tag_day.reasoning_tokens + excluded.reasoning_tokens, cost_pico = usage_tag_day.cost_pico + excluded.cost_pico, waste_pico = usage_tag_day.waste_pico + excluded.waste_pico, saved_pico = usage_tag_day.saved_pico + excluded.saved_pico, doubt_pico = usage_tag_day.doubt_pico + excluded.doubt_pico, estimated_events = usage_tag_day.estimated_events + excluded.estimated_events, estimated_pico = usage_tag_day.estimated_pico + excluded.estimated_pico;
  END LOOP;
END
$$;
-- +goose StatementEnd
DROP TABLE usage_fold;
ALTER TABLE usage_day RENAME COLUMN start TO day;
ALTER TABLE usage_tag_day RENAME COLUMN start TO day;
CREATE VIEW usage_sum WITH (security_invoker = true) AS
SELECT 'hour'::text AS source, org_id, hour AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour
UNION ALL
SELECT 'day'::text AS source, org_id, day AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_day
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, hour AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour
UNION ALL
SELECT 'tag_day'::text AS source, org_id, day AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_day;
GRANT SELECT ON usage_sum TO tollgate_app;
