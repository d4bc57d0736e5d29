-- Rate limits: requests, tokens or concurrency, on the same things as budgets. The counters are the edges', who say how they count.

-- +goose Up
CREATE TABLE rate_limit (
  org_id        uuid NOT NULL REFERENCES org (org_id),
  rate_limit_id uuid NOT NULL,
  name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  scope         text NOT NULL CHECK (scope IN ('org', 'workspace', 'agent', 'virtual_key', 'model', 'end_user', 'label', 'run')),
  scope_id      uuid, -- of a workspace, agent or virtual key
  scope_value   text NOT NULL DEFAULT '' CHECK (length(scope_value) <= 400), -- of the other scopes but the organization's; "*": each apart
  what          text NOT NULL CHECK (what IN ('requests', 'input_tokens', 'output_tokens', 'total_tokens', 'concurrent')),
  amount        bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
  per           text NOT NULL CHECK (per IN ('', 'second', 'minute', 'hour', 'day')), -- empty: of what is concurrent
  created_at    timestamptz NOT NULL DEFAULT now(),
  archived_at   timestamptz,
  PRIMARY KEY (org_id, rate_limit_id),
  CHECK ((what = 'concurrent') = (per = '')),
  CHECK ((scope IN ('workspace', 'agent', 'virtual_key')) = (scope_id IS NOT NULL)),
  CHECK ((scope IN ('model', 'end_user', 'label', 'run')) = (scope_value <> ''))
);
CREATE UNIQUE INDEX rate_limit_name_key ON rate_limit (org_id, name) WHERE archived_at IS NULL;
ALTER TABLE rate_limit ENABLE ROW LEVEL SECURITY;
ALTER TABLE rate_limit FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rate_limit USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON rate_limit TO tollgate_app;
ALTER TABLE edge
  ADD COLUMN rate_counting       text NOT NULL DEFAULT '' CHECK (rate_counting IN ('', 'alone', 'together', 'share')),
  ADD COLUMN rate_counting_since timestamptz,
  ADD COLUMN live_edges          integer NOT NULL DEFAULT 0; -- as it knows them itself

-- +goose Down
ALTER TABLE edge DROP COLUMN live_edges, DROP COLUMN rate_counting_since, DROP COLUMN rate_counting;
DROP TABLE rate_limit;
