-- Budgets and their ledger, usage events and rollups. Sums are numeric pico-USD; a single event fits a bigint.

-- +goose Up
CREATE TABLE budget (
  org_id      uuid NOT NULL REFERENCES org (org_id),
  budget_id   uuid NOT NULL,
  name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  scope       text NOT NULL CHECK (scope IN ('org', 'workspace', 'virtual_key')),
  scope_id    uuid, -- null: the organization
  limit_pico  numeric(38, 0) NOT NULL CHECK (limit_pico >= 0),
  period      text NOT NULL CHECK (period IN ('day', 'week', 'month', 'quarter', 'total')),
  time_zone   text NOT NULL,
  soft        boolean NOT NULL DEFAULT false,
  created_at  timestamptz NOT NULL DEFAULT now(),
  archived_at timestamptz,
  PRIMARY KEY (org_id, budget_id),
  CHECK ((scope = 'org') = (scope_id IS NULL))
);
CREATE UNIQUE INDEX budget_name_key ON budget (org_id, name) WHERE archived_at IS NULL;

-- The account of one budget in one period. spent + leased + in_doubt <= limit is held by the guarded update that grants,
-- not by a CHECK: a settlement is never refused; what passes the limit is kept in overrun.
CREATE TABLE budget_period (
  org_id       uuid NOT NULL,
  budget_id    uuid NOT NULL,
  period_start timestamptz NOT NULL,
  period_end   timestamptz, -- null: no end
  spent        numeric(38, 0) NOT NULL DEFAULT 0 CHECK (spent >= 0),
  leased       numeric(38, 0) NOT NULL DEFAULT 0 CHECK (leased >= 0),
  in_doubt     numeric(38, 0) NOT NULL DEFAULT 0 CHECK (in_doubt >= 0),
  overrun      numeric(38, 0) NOT NULL DEFAULT 0 CHECK (overrun >= 0),
  PRIMARY KEY (org_id, budget_id, period_start),
  FOREIGN KEY (org_id, budget_id) REFERENCES budget (org_id, budget_id)
);

-- What one edge holds of it: granted − returned − settled is outstanding. Totals only grow.
CREATE TABLE budget_lease (
  org_id         uuid NOT NULL,
  budget_id      uuid NOT NULL,
  period_start   timestamptz NOT NULL,
  edge_id        uuid NOT NULL REFERENCES edge (edge_id),
  granted_total  bigint NOT NULL DEFAULT 0 CHECK (granted_total >= 0),
  returned_total bigint NOT NULL DEFAULT 0 CHECK (returned_total >= 0),
  settled_total  bigint NOT NULL DEFAULT 0 CHECK (settled_total >= 0),
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (org_id, budget_id, period_start, edge_id),
  FOREIGN KEY (org_id, budget_id, period_start) REFERENCES budget_period (org_id, budget_id, period_start)
);
CREATE INDEX budget_lease_edge_idx ON budget_lease (org_id, edge_id);

CREATE TABLE usage_event (
  org_id              uuid NOT NULL,
  event_id            uuid NOT NULL,
  started_at          timestamptz NOT NULL,
  request_id          uuid NOT NULL,
  run_id              text NOT NULL,
  workspace_id        uuid NOT NULL,
  agent_id            uuid,
  virtual_key_id      uuid NOT NULL,
  end_user            text NOT NULL,
  labels              jsonb NOT NULL,
  dialect             text NOT NULL,
  route_id            uuid,
  model               text NOT NULL,
  provider_id         uuid,
  provider_model      text NOT NULL,
  attempt             integer NOT NULL,
  streamed            boolean NOT NULL,
  outcome             text NOT NULL CHECK (outcome IN ('ok', 'refused', 'upstream_failed', 'client_closed', 'indeterminate')),
  code                text NOT NULL,
  rule                text NOT NULL,
  http_status         integer NOT NULL,
  duration_us         bigint NOT NULL,
  first_byte_us       bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  estimated           boolean NOT NULL,
  cost_pico           bigint NOT NULL,
  bound_pico          bigint NOT NULL,
  price_id            uuid,
  waste               boolean NOT NULL,
  edge_id             uuid NOT NULL,
  generation          bigint NOT NULL,
  recorded_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, event_id, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX usage_event_recent_idx ON usage_event (org_id, started_at DESC, event_id);
CREATE TABLE usage_event_default PARTITION OF usage_event DEFAULT;

-- Sums by hour. Absent dimensions are the zero id, so that the key holds.
CREATE TABLE usage_hour (
  org_id              uuid NOT NULL,
  hour                timestamptz NOT NULL,
  workspace_id        uuid NOT NULL,
  agent_id            uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  provider_id         uuid NOT NULL,
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
  PRIMARY KEY (org_id, hour, workspace_id, agent_id, virtual_key_id, provider_id, model, outcome, code)
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['budget', 'budget_period', 'budget_lease', 'usage_event', 'usage_event_default', 'usage_hour'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON budget, budget_period, budget_lease, usage_hour TO tollgate_app;
GRANT SELECT, INSERT ON usage_event TO tollgate_app; -- never changed

-- +goose Down
DROP TABLE usage_hour, usage_event, budget_lease, budget_period, budget;
