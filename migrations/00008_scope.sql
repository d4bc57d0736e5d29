-- Budgets hold for agents too, and by what a call says: its model, end user, label or run. A scope_value of "*" gives each value an account of its own.
-- Guardrails hold for agents too.

-- +goose Up
ALTER TABLE budget
  ADD COLUMN scope_value text NOT NULL DEFAULT '' CHECK (length(scope_value) <= 400),
  DROP CONSTRAINT budget_scope_check,
  DROP CONSTRAINT budget_check,
  ADD CONSTRAINT budget_scope_check CHECK (scope IN ('org', 'workspace', 'agent', 'virtual_key', 'model', 'end_user', 'label', 'run')),
  ADD CONSTRAINT budget_scope_needs_id CHECK ((scope IN ('workspace', 'agent', 'virtual_key')) = (scope_id IS NOT NULL)),
  ADD CONSTRAINT budget_scope_needs_value CHECK ((scope IN ('model', 'end_user', 'label', 'run')) = (scope_value <> ''));
ALTER TABLE guardrail
  DROP CONSTRAINT guardrail_scope_check,
  ADD CONSTRAINT guardrail_scope_check CHECK (scope IN ('org', 'workspace', 'agent', 'virtual_key'));

-- +goose Down
-- What has no place in the older form is archived; the row policy would hide it from the owner too.
ALTER TABLE budget NO FORCE ROW LEVEL SECURITY;
ALTER TABLE guardrail NO FORCE ROW LEVEL SECURITY;
UPDATE guardrail SET archived_at = coalesce(archived_at, now()), scope = 'org', scope_id = NULL WHERE scope = 'agent';
ALTER TABLE guardrail
  DROP CONSTRAINT guardrail_scope_check,
  ADD CONSTRAINT guardrail_scope_check CHECK (scope IN ('org', 'workspace', 'virtual_key'));
UPDATE budget SET archived_at = coalesce(archived_at, now()), scope = 'org', scope_id = NULL, scope_value = '' WHERE scope IN ('agent', 'model', 'end_user', 'label', 'run');
ALTER TABLE budget
  DROP CONSTRAINT budget_scope_needs_value,
  DROP CONSTRAINT budget_scope_needs_id,
  DROP CONSTRAINT budget_scope_check,
  DROP COLUMN scope_value,
  ADD CONSTRAINT budget_scope_check CHECK (scope IN ('org', 'workspace', 'virtual_key')),
  ADD CONSTRAINT budget_check CHECK ((scope = 'org') = (scope_id IS NULL));
ALTER TABLE budget FORCE ROW LEVEL SECURITY;
ALTER TABLE guardrail FORCE ROW LEVEL SECURITY;
