-- Accounts of one end user, model, label's value or run do not stay for ever: those that are over are added to one of nobody, whose subject is ''.

-- +goose Up
ALTER TABLE budget_period
  ADD COLUMN used_at timestamptz NOT NULL DEFAULT now(), -- when something last moved in it
  ADD COLUMN folded  bigint NOT NULL DEFAULT 0 CHECK (folded >= 0 AND (folded = 0 OR subject = '')); -- how many accounts were added to this one
GRANT DELETE ON budget_period, budget_doubt TO tollgate_app;

-- +goose Down
REVOKE DELETE ON budget_period, budget_doubt FROM tollgate_app;
ALTER TABLE budget_period DROP COLUMN used_at, DROP COLUMN folded;
