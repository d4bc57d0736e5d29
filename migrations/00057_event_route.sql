-- By which version of its route and through which of its groups a call went, and how its run was known.

-- +goose Up
ALTER TABLE usage_event
  ADD COLUMN route_version integer NOT NULL DEFAULT 0 CHECK (route_version >= 0), -- 0: not known
  ADD COLUMN route_path    text NOT NULL DEFAULT '', -- groups, e.g. europe/cheap; empty: the target stands in none
  ADD COLUMN run_source    text NOT NULL DEFAULT '' CHECK (run_source IN ('', 'trace', 'header', 'session', 'tool', 'call'));

-- +goose Down
ALTER TABLE usage_event DROP COLUMN route_version, DROP COLUMN route_path, DROP COLUMN run_source;
