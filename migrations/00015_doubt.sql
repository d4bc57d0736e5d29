-- Money in doubt can be released by an operator. What a call left in doubt is kept by call and budget; what usage of a lost edge brings after
-- all is not counted again when it was released as spent.

-- +goose Up
ALTER TABLE budget_lease ADD COLUMN presumed_total bigint NOT NULL DEFAULT 0 CHECK (presumed_total >= 0); -- released as spent, and not used up by usage that came after all
DROP INDEX budget_lease_empty_idx;
CREATE INDEX budget_lease_empty_idx ON budget_lease (org_id, updated_at)
  WHERE closed AND granted_total - returned_total - settled_total = 0 AND doubted_total = 0 AND presumed_total = 0;

CREATE TABLE budget_doubt (
  org_id       uuid NOT NULL,
  event_id     uuid NOT NULL,
  budget_id    uuid NOT NULL,
  period_start timestamptz NOT NULL,
  subject      text COLLATE "C" NOT NULL DEFAULT '',
  pico         bigint NOT NULL CHECK (pico > 0),
  noted_at     timestamptz NOT NULL DEFAULT now(),
  released_at  timestamptz,
  as_spent     boolean, -- null: not released
  PRIMARY KEY (org_id, event_id, budget_id),
  FOREIGN KEY (org_id, budget_id, period_start, subject) REFERENCES budget_period (org_id, budget_id, period_start, subject),
  CHECK ((released_at IS NULL) = (as_spent IS NULL))
);
CREATE INDEX budget_doubt_open_idx ON budget_doubt (org_id, budget_id, noted_at DESC) WHERE released_at IS NULL;
ALTER TABLE budget_doubt ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_doubt FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON budget_doubt USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON budget_doubt TO tollgate_app;

-- +goose Down
DROP TABLE budget_doubt;
DROP INDEX budget_lease_empty_idx;
ALTER TABLE budget_lease DROP COLUMN presumed_total;
CREATE INDEX budget_lease_empty_idx ON budget_lease (org_id, updated_at)
  WHERE closed AND granted_total - returned_total - settled_total = 0 AND doubted_total = 0;
