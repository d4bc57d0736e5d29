-- Channels, what was sent to them, the rules of alerts and the alerts that fired.

-- +goose Up
CREATE TABLE channel (
  org_id       uuid NOT NULL REFERENCES org (org_id),
  channel_id   uuid NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  kind         text NOT NULL CHECK (kind IN ('email', 'slack', 'teams', 'webhook', 'pagerduty')),
  addresses    text[] NOT NULL DEFAULT '{}', -- of e-mail
  host         text NOT NULL DEFAULT '',     -- of the address that is sealed
  severity_min smallint NOT NULL CHECK (severity_min BETWEEN 1 AND 3),
  topics       text[] NOT NULL DEFAULT '{}', -- none: all
  key_version  integer NOT NULL DEFAULT 0,
  sealed       bytea, -- address and key; null: e-mail has none
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  PRIMARY KEY (org_id, channel_id),
  CHECK ((kind = 'email') = (sealed IS NULL))
);
CREATE UNIQUE INDEX channel_name_key ON channel (org_id, name) WHERE archived_at IS NULL;

CREATE TABLE alert_rule (
  org_id   uuid NOT NULL REFERENCES org (org_id),
  rule     text NOT NULL,
  enabled  boolean NOT NULL,
  severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
  number   integer NOT NULL CHECK (number >= 0),
  PRIMARY KEY (org_id, rule)
);

-- What fired, once per rule, subject, period and threshold. A standing alert is one of a state, of which a subject has one at a time.
CREATE TABLE alert (
  org_id      uuid NOT NULL REFERENCES org (org_id),
  alert_id    uuid NOT NULL,
  rule        text NOT NULL,
  subject     text NOT NULL,
  period      text NOT NULL,
  threshold   integer NOT NULL,
  standing    boolean NOT NULL,
  severity    smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
  title       text NOT NULL,
  body        text NOT NULL,
  path        text NOT NULL,
  fired_at    timestamptz NOT NULL,
  resolved_at timestamptz,
  PRIMARY KEY (org_id, alert_id),
  CONSTRAINT alert_once_key UNIQUE (org_id, rule, subject, period, threshold)
);
CREATE UNIQUE INDEX alert_standing_key ON alert (org_id, rule, subject) WHERE standing AND resolved_at IS NULL;
CREATE INDEX alert_open_idx ON alert (org_id, alert_id DESC) WHERE resolved_at IS NULL;

-- One message to one channel and how far it came.
CREATE TABLE delivery (
  org_id      uuid NOT NULL,
  delivery_id uuid NOT NULL,
  channel_id  uuid NOT NULL,
  alert_id    uuid, -- null: a test
  event       text NOT NULL CHECK (event IN ('fired', 'resolved', 'test')),
  message     jsonb NOT NULL,
  state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'failed', 'delivered', 'given_up')),
  attempts    integer NOT NULL DEFAULT 0,
  status      integer NOT NULL DEFAULT 0, -- of the last answer; 0: there was none
  answer      text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL,
  next_at     timestamptz, -- null: it is at its end
  finished_at timestamptz,
  PRIMARY KEY (org_id, delivery_id),
  FOREIGN KEY (org_id, channel_id) REFERENCES channel (org_id, channel_id),
  FOREIGN KEY (org_id, alert_id) REFERENCES alert (org_id, alert_id)
);
CREATE INDEX delivery_alert_idx ON delivery (org_id, alert_id);
CREATE INDEX delivery_channel_idx ON delivery (org_id, channel_id, created_at DESC);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['channel', 'alert_rule', 'alert', 'delivery'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd
GRANT SELECT, INSERT, UPDATE ON channel, alert_rule, alert, delivery TO tollgate_app;

-- +goose Down
DROP TABLE delivery, alert, alert_rule, channel;
