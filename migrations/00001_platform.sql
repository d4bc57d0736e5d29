-- Platform tables: people, sessions, edges, generations, prices. They hold no tenant's data, so they carry no row policy.
-- The role tollgate_app is what the control plane runs as; the owner of these tables only migrates.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tollgate_app') THEN
    CREATE ROLE tollgate_app NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
END
$$;
-- +goose StatementEnd

GRANT USAGE ON SCHEMA public TO tollgate_app;

CREATE TABLE app_user (
  user_id       uuid PRIMARY KEY,
  email         text NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%' AND length(email) <= 254),
  name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  password_hash text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  disabled_at   timestamptz,
  CONSTRAINT app_user_email_key UNIQUE (email)
);

-- The session library's data by token; what is in it is the library's affair.
CREATE TABLE sessions (
  token  text PRIMARY KEY,
  data   bytea NOT NULL,
  expiry timestamptz NOT NULL
);
CREATE INDEX sessions_expiry_idx ON sessions (expiry);

-- One row per organization, and one with the zero id for the price catalog. A change and its bump commit together.
CREATE SEQUENCE generation_seq AS bigint;
CREATE TABLE generation (
  org_id     uuid PRIMARY KEY,
  generation bigint NOT NULL,
  changed_at timestamptz NOT NULL
);
INSERT INTO generation (org_id, generation, changed_at)
VALUES ('00000000-0000-0000-0000-000000000000', nextval('generation_seq'), now());

CREATE TABLE edge (
  edge_id       uuid PRIMARY KEY,
  name          text NOT NULL,
  region        text NOT NULL,
  version       text NOT NULL,
  epoch         numeric(20, 0) NOT NULL, -- an unsigned 64-bit number
  first_seen_at timestamptz NOT NULL,
  connected_at  timestamptz,
  last_seen_at  timestamptz NOT NULL,
  spool_pending bigint NOT NULL DEFAULT 0,
  spool_bytes   bigint NOT NULL DEFAULT 0,
  in_flight     bigint NOT NULL DEFAULT 0,
  requests      bigint NOT NULL DEFAULT 0,
  clock_skew_ms bigint NOT NULL DEFAULT 0,
  accepting     boolean NOT NULL DEFAULT false
);

-- Epochs of an edge: a fenced one is refused for ever; seq is the last record committed.
CREATE TABLE edge_epoch (
  edge_id   uuid NOT NULL REFERENCES edge (edge_id),
  epoch     numeric(20, 0) NOT NULL,
  seq       bigint NOT NULL DEFAULT 0,
  fenced_at timestamptz,
  PRIMARY KEY (edge_id, epoch)
);

CREATE TABLE model_price (
  price_id           uuid PRIMARY KEY,
  catalog            text NOT NULL CHECK (catalog <> ''),
  model              text NOT NULL CHECK (model <> ''),
  effective_at       timestamptz NOT NULL,
  input_pico         bigint NOT NULL CHECK (input_pico >= 0),
  cached_input_pico  bigint NOT NULL CHECK (cached_input_pico >= 0),
  cache_write_pico   bigint NOT NULL CHECK (cache_write_pico >= 0),
  output_pico        bigint NOT NULL CHECK (output_pico >= 0),
  reasoning_pico     bigint NOT NULL CHECK (reasoning_pico >= 0),
  context_tokens     integer NOT NULL DEFAULT 0,
  max_output_tokens  integer NOT NULL DEFAULT 0,
  CONSTRAINT model_price_model_key UNIQUE (catalog, model, effective_at)
);

GRANT SELECT, INSERT, UPDATE ON app_user, generation, edge, edge_epoch, model_price TO tollgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO tollgate_app;
GRANT USAGE ON SEQUENCE generation_seq TO tollgate_app;

-- +goose Down
DROP TABLE model_price, edge_epoch, edge, generation, sessions, app_user;
DROP SEQUENCE generation_seq;
REVOKE USAGE ON SCHEMA public FROM tollgate_app;
