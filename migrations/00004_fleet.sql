-- What the fleet leaves behind when something is wrong: usage records that could not be read, fragments that were not pushed.

-- +goose Up
-- A record that no event could be made of. Nothing is dropped silently: the bytes stay until somebody has looked at them.
CREATE TABLE usage_reject (
  edge_id     uuid NOT NULL REFERENCES edge (edge_id),
  epoch       numeric(20, 0) NOT NULL,
  seq         bigint NOT NULL,
  reason      text NOT NULL,
  record      bytea NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (edge_id, epoch, seq)
);
GRANT SELECT, INSERT ON usage_reject TO tollgate_app;

-- Why an organization's newest configuration is not pushed. The row goes away with the first generation that can be.
CREATE TABLE publish_problem (
  org_id     uuid PRIMARY KEY REFERENCES org (org_id),
  generation bigint NOT NULL,
  path       text NOT NULL, -- the item and field that is wrong
  reason     text NOT NULL,
  noticed_at timestamptz NOT NULL
);
ALTER TABLE publish_problem ENABLE ROW LEVEL SECURITY;
ALTER TABLE publish_problem FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON publish_problem USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON publish_problem TO tollgate_app;

-- A limit that is lowered below what is spent, leased and in doubt leaves the difference in overrun, in the transaction that lowers it,
-- so that spent + leased + in_doubt <= limit + overrun holds at every moment.
-- +goose StatementBegin
CREATE FUNCTION budget_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE budget_period SET overrun = greatest(0, spent + leased + in_doubt - NEW.limit_pico)
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER budget_limit_changed AFTER UPDATE OF limit_pico ON budget FOR EACH ROW EXECUTE FUNCTION budget_limit_changed();

-- +goose Down
DROP TRIGGER budget_limit_changed ON budget;
DROP FUNCTION budget_limit_changed();
DROP TABLE publish_problem, usage_reject;
