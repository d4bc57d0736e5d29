-- A record that is rejected is shown to the organization that it names, and to nobody else.

-- +goose Up
ALTER TABLE usage_reject ADD COLUMN org_id uuid REFERENCES org (org_id); -- null: it names none that there is
CREATE INDEX usage_reject_org_idx ON usage_reject (org_id, rejected_at) WHERE org_id IS NOT NULL;
ALTER TABLE usage_reject ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_reject FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_reject USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id IS NULL OR org_id = current_setting('app.org')::uuid);

-- +goose Down
DROP POLICY tenant ON usage_reject;
ALTER TABLE usage_reject NO FORCE ROW LEVEL SECURITY;
ALTER TABLE usage_reject DISABLE ROW LEVEL SECURITY;
DROP INDEX usage_reject_org_idx;
ALTER TABLE usage_reject DROP COLUMN org_id;
