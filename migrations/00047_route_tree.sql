-- A route may be a tree of targets and groups, be called by several names, and keeps what it was at each save.

-- +goose Up
ALTER TABLE route
  DROP CONSTRAINT route_strategy_check,
  ADD CONSTRAINT route_strategy_check CHECK (strategy IN ('fallback', 'weighted', 'conditional', 'latency', 'cost', 'sticky', 'canary')),
  ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0), -- how often it was saved
  ADD COLUMN spec jsonb; -- everything that is saved; null: strategy and route_target say it all. route_target has the targets of the tree in its order

CREATE TABLE route_version (
  org_id     uuid NOT NULL,
  route_id   uuid NOT NULL,
  version    integer NOT NULL CHECK (version > 0),
  name       text NOT NULL,
  spec       jsonb NOT NULL,
  restores   integer, -- the older version that this one brought back; null: none
  saved_at   timestamptz NOT NULL DEFAULT now(),
  actor_name text NOT NULL,
  PRIMARY KEY (org_id, route_id, version),
  FOREIGN KEY (org_id, route_id) REFERENCES route (org_id, route_id)
);
ALTER TABLE route_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE route_version FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route_version USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, DELETE ON route_version TO tollgate_app;

-- Every name that a live route is called by, its own and the others.
CREATE TABLE route_name (
  org_id   uuid NOT NULL,
  place    uuid NOT NULL, -- the workspace; zero: every workspace
  name     text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  route_id uuid NOT NULL,
  PRIMARY KEY (org_id, place, name),
  FOREIGN KEY (org_id, route_id) REFERENCES route (org_id, route_id)
);
CREATE INDEX route_name_route ON route_name (org_id, route_id);
ALTER TABLE route_name ENABLE ROW LEVEL SECURITY;
ALTER TABLE route_name FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route_name USING (org_id = current_setting('app.org')::uuid) WITH CHECK (org_id = current_setting('app.org')::uuid);
GRANT SELECT, INSERT, DELETE ON route_name TO tollgate_app;

-- The row policy binds the owner too: one organization at a time.
-- +goose StatementBegin
DO $$
DECLARE o uuid;
BEGIN
  FOR o IN SELECT org_id FROM generation WHERE org_id <> '00000000-0000-0000-0000-000000000000' LOOP
    PERFORM set_config('app.org', o::text, true);
    INSERT INTO route_name (org_id, place, name, route_id)
    SELECT org_id, coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), name, route_id FROM route WHERE org_id = o AND archived_at IS NULL;
    INSERT INTO route_version (org_id, route_id, version, name, spec, saved_at, actor_name)
    SELECT r.org_id, r.route_id, 1, r.name, jsonb_build_object('strategy', r.strategy, 'targets', coalesce(
      (SELECT jsonb_agg(jsonb_build_object('provider_id', t.provider_id, 'model', t.model, 'weight', t.weight) ORDER BY t.position)
       FROM route_target t WHERE t.org_id = r.org_id AND t.route_id = r.route_id), '[]')), r.created_at, ''
    FROM route r WHERE r.org_id = o;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE route_name, route_version;
ALTER TABLE route DROP COLUMN spec, DROP COLUMN version;
