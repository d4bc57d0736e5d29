-- Tenants and what they configure. Every table carries org_id and a forced row policy on it.

-- +goose Up
CREATE TABLE org (
  org_id       uuid PRIMARY KEY,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  slug         text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  created_at   timestamptz NOT NULL DEFAULT now(),
  suspended_at timestamptz,
  CONSTRAINT org_slug_key UNIQUE (slug)
);

CREATE TABLE member (
  org_id     uuid NOT NULL REFERENCES org (org_id),
  user_id    uuid NOT NULL REFERENCES app_user (user_id),
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'finance', 'developer', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX member_user_idx ON member (user_id);

CREATE TABLE api_token (
  org_id     uuid NOT NULL REFERENCES org (org_id),
  token_id   uuid NOT NULL,
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'finance', 'developer', 'viewer')),
  token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (org_id, token_id),
  CONSTRAINT api_token_hash_key UNIQUE (token_hash)
);

CREATE TABLE workspace (
  org_id       uuid NOT NULL REFERENCES org (org_id),
  workspace_id uuid NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  slug         text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  PRIMARY KEY (org_id, workspace_id),
  CONSTRAINT workspace_slug_key UNIQUE (org_id, slug)
);

CREATE TABLE agent (
  org_id       uuid NOT NULL,
  agent_id     uuid NOT NULL,
  workspace_id uuid NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  description  text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  PRIMARY KEY (org_id, agent_id),
  FOREIGN KEY (org_id, workspace_id) REFERENCES workspace (org_id, workspace_id)
);
CREATE UNIQUE INDEX agent_name_key ON agent (org_id, workspace_id, name) WHERE archived_at IS NULL;

CREATE TABLE virtual_key (
  org_id              uuid NOT NULL,
  virtual_key_id      uuid NOT NULL,
  workspace_id        uuid NOT NULL,
  agent_id            uuid,
  name                text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  prefix              text NOT NULL,
  key_hash            bytea NOT NULL CHECK (length(key_hash) = 32),
  allowed_models      text[] NOT NULL DEFAULT '{}',
  requests_per_minute integer NOT NULL DEFAULT 0 CHECK (requests_per_minute >= 0),
  created_at          timestamptz NOT NULL DEFAULT now(),
  expires_at          timestamptz,
  revoked_at          timestamptz,
  PRIMARY KEY (org_id, virtual_key_id),
  FOREIGN KEY (org_id, workspace_id) REFERENCES workspace (org_id, workspace_id),
  FOREIGN KEY (org_id, agent_id) REFERENCES agent (org_id, agent_id),
  CONSTRAINT virtual_key_hash_key UNIQUE (key_hash)
);

-- The organization's data encryption keys, wrapped by the master key.
CREATE TABLE org_key (
  org_id      uuid NOT NULL REFERENCES org (org_id),
  version     integer NOT NULL,
  wrapped     bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, version)
);

CREATE TABLE provider (
  org_id          uuid NOT NULL REFERENCES org (org_id),
  provider_id     uuid NOT NULL,
  name            text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,38}$'),
  kind            text NOT NULL CHECK (kind IN ('openai', 'anthropic')),
  base_url        text NOT NULL,
  catalog         text NOT NULL,
  private_network boolean NOT NULL DEFAULT false,
  created_at      timestamptz NOT NULL DEFAULT now(),
  archived_at     timestamptz,
  PRIMARY KEY (org_id, provider_id)
);
CREATE UNIQUE INDEX provider_name_key ON provider (org_id, name) WHERE archived_at IS NULL;

CREATE TABLE credential (
  org_id        uuid NOT NULL,
  credential_id uuid NOT NULL,
  provider_id   uuid NOT NULL,
  name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  key_version   integer NOT NULL,
  sealed        bytea NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  retired_at    timestamptz,
  PRIMARY KEY (org_id, credential_id),
  FOREIGN KEY (org_id, provider_id) REFERENCES provider (org_id, provider_id),
  FOREIGN KEY (org_id, key_version) REFERENCES org_key (org_id, version)
);

CREATE TABLE route (
  org_id       uuid NOT NULL REFERENCES org (org_id),
  route_id     uuid NOT NULL,
  workspace_id uuid, -- null: every workspace
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  strategy     text NOT NULL CHECK (strategy IN ('fallback', 'weighted')),
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  PRIMARY KEY (org_id, route_id),
  FOREIGN KEY (org_id, workspace_id) REFERENCES workspace (org_id, workspace_id)
);
CREATE UNIQUE INDEX route_name_key ON route (org_id, coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), name) WHERE archived_at IS NULL;

CREATE TABLE route_target (
  org_id      uuid NOT NULL,
  route_id    uuid NOT NULL,
  position    integer NOT NULL CHECK (position >= 0),
  provider_id uuid NOT NULL,
  model       text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
  weight      integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000),
  PRIMARY KEY (org_id, route_id, position),
  FOREIGN KEY (org_id, route_id) REFERENCES route (org_id, route_id),
  FOREIGN KEY (org_id, provider_id) REFERENCES provider (org_id, provider_id)
);

CREATE TABLE guardrail (
  org_id       uuid NOT NULL REFERENCES org (org_id),
  guardrail_id uuid NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  scope        text NOT NULL CHECK (scope IN ('org', 'workspace', 'virtual_key')),
  scope_id     uuid, -- null: the organization
  action       text NOT NULL CHECK (action IN ('block', 'flag')),
  words        text[] NOT NULL CHECK (cardinality(words) BETWEEN 1 AND 5000),
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  PRIMARY KEY (org_id, guardrail_id),
  CHECK ((scope = 'org') = (scope_id IS NULL))
);
CREATE UNIQUE INDEX guardrail_name_key ON guardrail (org_id, name) WHERE archived_at IS NULL;

CREATE TABLE audit_entry (
  org_id        uuid NOT NULL REFERENCES org (org_id),
  audit_id      uuid NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor_kind    text NOT NULL CHECK (actor_kind IN ('user', 'api_token', 'system')),
  actor_id      uuid,
  actor_name    text NOT NULL,
  actor_address text NOT NULL DEFAULT '',
  action        text NOT NULL, -- "<noun>.<verb>"
  subject_id    uuid NOT NULL,
  subject_name  text NOT NULL,
  before        jsonb,
  after         jsonb,
  generation    bigint NOT NULL,
  PRIMARY KEY (org_id, audit_id)
);
CREATE INDEX audit_entry_at_idx ON audit_entry (org_id, at DESC);

-- What each edge runs of this organization's configuration.
CREATE TABLE edge_generation (
  org_id          uuid NOT NULL REFERENCES org (org_id),
  edge_id         uuid NOT NULL REFERENCES edge (edge_id),
  generation      bigint NOT NULL, -- last acked
  acked_at        timestamptz NOT NULL,
  lag_ms          bigint NOT NULL, -- commit to ack
  nack_generation bigint,
  nack_path       text NOT NULL DEFAULT '',
  nack_reason     text NOT NULL DEFAULT '',
  nacked_at       timestamptz,
  PRIMARY KEY (org_id, edge_id)
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['org', 'api_token', 'workspace', 'agent', 'virtual_key', 'org_key', 'provider', 'credential', 'route', 'route_target',
                           'guardrail', 'audit_entry', 'edge_generation'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- A person may also see their own memberships, which is how sign-in finds their organizations.
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
ALTER TABLE member FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON member
  USING (org_id = nullif(current_setting('app.org', true), '')::uuid)
  WITH CHECK (org_id = nullif(current_setting('app.org', true), '')::uuid);
CREATE POLICY own ON member FOR SELECT
  USING (user_id = nullif(current_setting('app.user', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON org, member, api_token, workspace, agent, virtual_key, org_key, provider, credential, route, guardrail, edge_generation TO tollgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON route_target TO tollgate_app;
GRANT DELETE ON member TO tollgate_app;
GRANT SELECT, INSERT ON audit_entry TO tollgate_app; -- never changed

-- +goose Down
DROP TABLE edge_generation, audit_entry, guardrail, route_target, route, credential, provider, org_key, virtual_key, agent, workspace, api_token, member, org;
