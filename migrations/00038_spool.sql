-- The spool: what an organization wants when an edge has no room to record usage, what edges say of theirs, and calls that were never recorded.

-- +goose Up
ALTER TABLE org
  ADD COLUMN when_spool_full text NOT NULL DEFAULT 'refuse' CHECK (when_spool_full IN ('refuse', 'serve'));
ALTER TABLE edge
  ADD COLUMN spool_corrupt    bigint NOT NULL DEFAULT 0, -- places that were damaged or could not be read, since its process began
  ADD COLUMN spool_kept_bytes bigint NOT NULL DEFAULT 0; -- acked and kept
CREATE TABLE usage_gap (
  org_id   uuid NOT NULL REFERENCES org (org_id),
  edge_id  uuid NOT NULL REFERENCES edge (edge_id),
  epoch    numeric(20, 0) NOT NULL, -- of the process that served them
  calls    bigint NOT NULL CHECK (calls >= 0), -- served and not recorded; falls while room is found for those in the edge's memory
  first_at timestamptz NOT NULL,
  last_at  timestamptz NOT NULL, -- when calls last rose
  PRIMARY KEY (org_id, edge_id, epoch)
);
ALTER TABLE usage_gap ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_gap FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_gap USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, UPDATE ON usage_gap TO tollgate_app;

-- +goose Down
DROP TABLE usage_gap;
ALTER TABLE edge DROP COLUMN spool_kept_bytes, DROP COLUMN spool_corrupt;
ALTER TABLE org DROP COLUMN when_spool_full;
