-- Accounts of one end user, model, label's value or run within a budget, and leases that an edge may forget: a lease has a number within its
-- account, and is closed when the edge will not come back to it.

-- +goose Up
-- A foreign key is checked against existing rows as the owner, who is under the row policies too and needs an organization, even one without
-- rows. What is there was under such a key before.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);
ALTER TABLE budget_lease DROP CONSTRAINT budget_lease_org_id_budget_id_period_start_fkey, DROP CONSTRAINT budget_lease_pkey;
ALTER TABLE budget_period
  DROP CONSTRAINT budget_period_pkey,
  ADD COLUMN subject text COLLATE "C" NOT NULL DEFAULT '' CHECK (octet_length(subject) <= 256), -- '': the budget has one account
  ADD PRIMARY KEY (org_id, budget_id, period_start, subject);
ALTER TABLE budget_lease
  ADD COLUMN subject  text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN lease_no bigint NOT NULL DEFAULT 0,
  ADD COLUMN closed   boolean NOT NULL DEFAULT false, -- nothing is granted to it any more
  ADD PRIMARY KEY (org_id, budget_id, period_start, subject, edge_id, lease_no),
  ADD FOREIGN KEY (org_id, budget_id, period_start, subject) REFERENCES budget_period (org_id, budget_id, period_start, subject);
CREATE INDEX budget_lease_empty_idx ON budget_lease (org_id, updated_at)
  WHERE closed AND granted_total - returned_total - settled_total = 0 AND doubted_total = 0;
GRANT DELETE ON budget_lease TO tollgate_app; -- empty leases that their edges have closed

-- Accounts are locked in the ledger's order, so that a new limit and claims never wait for each other. Periods that are long over keep the
-- overrun that they ended with.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION budget_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM budget_period
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id AND (period_end IS NULL OR period_end > now() - interval '2 days')
  ORDER BY period_start, subject
  FOR UPDATE;
  UPDATE budget_period SET overrun = greatest(0, spent + leased + in_doubt - NEW.limit_pico)
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id AND (period_end IS NULL OR period_end > now() - interval '2 days')
    AND overrun <> greatest(0, spent + leased + in_doubt - NEW.limit_pico);
  RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION budget_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE budget_period SET overrun = greatest(0, spent + leased + in_doubt - NEW.limit_pico)
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
DELETE FROM budget_lease WHERE subject <> '' OR lease_no <> 0;
DELETE FROM budget_period WHERE subject <> '';
-- A foreign key is checked against existing rows as the owner, who is under the row policies too and needs an organization, even one without
-- rows. What is there was under such a key before.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);
REVOKE DELETE ON budget_lease FROM tollgate_app;
DROP INDEX budget_lease_empty_idx;
ALTER TABLE budget_lease DROP CONSTRAINT budget_lease_org_id_budget_id_period_start_subject_fkey, DROP CONSTRAINT budget_lease_pkey;
ALTER TABLE budget_period DROP CONSTRAINT budget_period_pkey, DROP COLUMN subject, ADD PRIMARY KEY (org_id, budget_id, period_start);
ALTER TABLE budget_lease
  DROP COLUMN subject, DROP COLUMN lease_no, DROP COLUMN closed,
  ADD PRIMARY KEY (org_id, budget_id, period_start, edge_id),
  ADD FOREIGN KEY (org_id, budget_id, period_start) REFERENCES budget_period (org_id, budget_id, period_start);
