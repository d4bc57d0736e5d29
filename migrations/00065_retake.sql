-- A record that was rejected is tried again and goes away when the books have it. What names no organization is seen by who enters the zero one: it may name
-- one to a control plane that reads more.

-- +goose Up
ALTER POLICY tenant ON usage_reject USING (coalesce(org_id, '00000000-0000-0000-0000-000000000000') = current_setting('app.org')::uuid);
GRANT DELETE ON usage_reject TO tollgate_app;

-- +goose Down
REVOKE DELETE ON usage_reject FROM tollgate_app;
ALTER POLICY tenant ON usage_reject USING (org_id = current_setting('app.org')::uuid);
