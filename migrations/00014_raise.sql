-- A budget's limit can be raised for a while, and says at which part of it somebody is told.

-- +goose Up
ALTER TABLE budget
  ADD COLUMN alert_percents integer[] NOT NULL DEFAULT '{50,80,100}' CHECK (cardinality(alert_percents) <= 10),
  ADD COLUMN alert_forecast boolean NOT NULL DEFAULT true;

-- A raise holds from starts_at until ends_at, or until it was ended. Nothing changes when the clock passes them: the limit is asked for at a time.
CREATE TABLE budget_raise (
  org_id      uuid NOT NULL,
  raise_id    uuid NOT NULL,
  budget_id   uuid NOT NULL,
  amount_pico numeric(38, 0) NOT NULL CHECK (amount_pico > 0),
  reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  starts_at   timestamptz NOT NULL,
  ends_at     timestamptz NOT NULL CHECK (ends_at > starts_at),
  made_by     text NOT NULL,
  made_at     timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz, -- before its time
  ended_by    text NOT NULL DEFAULT '',
  PRIMARY KEY (org_id, raise_id),
  FOREIGN KEY (org_id, budget_id) REFERENCES budget (org_id, budget_id)
);
CREATE INDEX budget_raise_budget_idx ON budget_raise (org_id, budget_id, ends_at);
ALTER TABLE budget_raise ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_raise FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON budget_raise USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON budget_raise TO tollgate_app;

-- What a budget's raises add to its limit at a time.
-- +goose StatementBegin
CREATE FUNCTION budget_raised(org uuid, budget uuid, at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(r.amount_pico), 0) FROM budget_raise r
  WHERE r.org_id = org AND r.budget_id = budget AND r.starts_at <= at AND r.ends_at > at AND (r.ended_at IS NULL OR r.ended_at > at)
$$;
-- +goose StatementEnd

-- The accounts of the present are found among those of all periods that are over.
CREATE INDEX budget_period_open_idx ON budget_period (org_id, period_end);

-- +goose Down
DROP INDEX budget_period_open_idx;
DROP FUNCTION budget_raised(uuid, uuid, timestamptz);
DROP TABLE budget_raise;
ALTER TABLE budget DROP COLUMN alert_percents, DROP COLUMN alert_forecast;
