-- Prices of an organization's own, events that say all that a cost was made of, and corrections of history.

-- +goose Up
-- A row that changes gets a new id, so that the price of an old event stays readable; superseded rows are charged no more.
ALTER TABLE model_price
  ADD COLUMN service           text NOT NULL DEFAULT '' CHECK (service IN ('', 'batch', 'flex', 'priority')),
  ADD COLUMN image_input_pico  bigint NOT NULL DEFAULT 0 CHECK (image_input_pico >= 0),
  ADD COLUMN image_output_pico bigint NOT NULL DEFAULT 0 CHECK (image_output_pico >= 0),
  ADD COLUMN imported          boolean NOT NULL DEFAULT false, -- by the operator: goes before the table that comes with the program
  ADD COLUMN recorded_at       timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN superseded_at     timestamptz;
UPDATE model_price SET image_input_pico = input_pico, image_output_pico = output_pico;
ALTER TABLE model_price
  ALTER COLUMN image_input_pico DROP DEFAULT,
  ALTER COLUMN image_output_pico DROP DEFAULT,
  DROP CONSTRAINT model_price_model_key;
CREATE UNIQUE INDEX model_price_model_key ON model_price (catalog, model, effective_at, above_tokens, service) WHERE superseded_at IS NULL;

-- What an organization pays instead of the catalog's prices: a price of one model, a discount on a provider (model '') or on one of its
-- models, or the ceiling at which models without a price are charged. Nothing is changed later but its end.
CREATE TABLE org_price (
  org_id                uuid NOT NULL REFERENCES org (org_id),
  price_id              uuid NOT NULL,
  kind                  text NOT NULL CHECK (kind IN ('override', 'discount', 'ceiling')),
  catalog               text NOT NULL,
  model                 text NOT NULL,
  effective_at          timestamptz NOT NULL,
  ended_at              timestamptz CHECK (ended_at >= effective_at), -- at effective_at: it was never in force
  above_tokens          integer NOT NULL CHECK (above_tokens >= 0),
  service               text NOT NULL CHECK (service IN ('', 'batch', 'flex', 'priority')),
  input_pico            bigint NOT NULL CHECK (input_pico >= 0),
  cached_input_pico     bigint NOT NULL CHECK (cached_input_pico >= 0),
  cache_write_pico      bigint NOT NULL CHECK (cache_write_pico >= 0),
  cache_write_hour_pico bigint NOT NULL CHECK (cache_write_hour_pico >= 0),
  output_pico           bigint NOT NULL CHECK (output_pico >= 0),
  reasoning_pico        bigint NOT NULL CHECK (reasoning_pico >= 0),
  audio_input_pico      bigint NOT NULL CHECK (audio_input_pico >= 0),
  audio_output_pico     bigint NOT NULL CHECK (audio_output_pico >= 0),
  image_input_pico      bigint NOT NULL CHECK (image_input_pico >= 0),
  image_output_pico     bigint NOT NULL CHECK (image_output_pico >= 0),
  request_pico          bigint NOT NULL CHECK (request_pico >= 0),
  context_tokens        integer NOT NULL CHECK (context_tokens >= 0),
  max_output_tokens     integer NOT NULL CHECK (max_output_tokens >= 0),
  discount_per_mille    integer NOT NULL CHECK (discount_per_mille BETWEEN 0 AND 999),
  note                  text NOT NULL CHECK (length(note) <= 200),
  created_by            text NOT NULL,
  created_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, price_id),
  CHECK ((kind = 'discount') = (discount_per_mille > 0)),
  CHECK ((kind = 'ceiling') = (catalog = '')),
  CHECK ((kind = 'override') <= (model <> ''))
);
CREATE UNIQUE INDEX org_price_model_key ON org_price (org_id, kind, catalog, model, effective_at, above_tokens, service) WHERE ended_at IS NULL OR ended_at > effective_at;

-- The parts of the sums that an event has had so far, who served, and which accounts it was charged to: it can be priced again.
ALTER TABLE usage_event
  ADD COLUMN cache_write_hour_tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_input_tokens      bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_output_tokens     bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_input_tokens      bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_output_tokens     bigint NOT NULL DEFAULT 0,
  ADD COLUMN service_tier            text NOT NULL DEFAULT '',
  ADD COLUMN reported                boolean NOT NULL DEFAULT false,
  ADD COLUMN discount_id             uuid,
  ADD COLUMN charges                 bytea; -- null: taken in before this column; else a UsageEvent of the contract with nothing but its charges

-- One run of a re-price job. Its place is the event up to which it has come; a chunk moves it in the transaction that corrects.
CREATE TABLE reprice (
  org_id        uuid NOT NULL REFERENCES org (org_id),
  reprice_id    uuid NOT NULL,
  catalog       text NOT NULL, -- '': every provider's
  model         text NOT NULL, -- as called; '': every one
  from_at       timestamptz NOT NULL,
  until_at      timestamptz NOT NULL CHECK (until_at > from_at),
  reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  created_by    text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  place_at      timestamptz NOT NULL,
  place_event   uuid NOT NULL,
  seen          bigint NOT NULL DEFAULT 0,
  changed       bigint NOT NULL DEFAULT 0,
  left_out      bigint NOT NULL DEFAULT 0, -- whose cost cannot be told from what is kept
  before_pico   numeric(38, 0) NOT NULL DEFAULT 0, -- of those that changed
  after_pico    numeric(38, 0) NOT NULL DEFAULT 0,
  done_at       timestamptz,
  PRIMARY KEY (org_id, reprice_id)
);
CREATE UNIQUE INDEX reprice_running_key ON reprice (org_id) WHERE done_at IS NULL;

-- An event is never changed: what it costs since a correction is here, the newest holds.
CREATE TABLE usage_correction (
  org_id       uuid NOT NULL,
  event_id     uuid NOT NULL,
  started_at   timestamptz NOT NULL,
  reprice_id   uuid NOT NULL,
  before_pico  bigint NOT NULL CHECK (before_pico >= 0),
  after_pico   bigint NOT NULL CHECK (after_pico >= 0),
  saved_pico   bigint NOT NULL CHECK (saved_pico >= 0), -- since
  price_id     uuid NOT NULL,
  discount_id  uuid,
  corrected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, event_id, reprice_id),
  FOREIGN KEY (org_id, reprice_id) REFERENCES reprice (org_id, reprice_id)
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['org_price', 'reprice', 'usage_correction'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON reprice TO tollgate_app;
GRANT SELECT, INSERT ON org_price, usage_correction TO tollgate_app;
GRANT UPDATE (ended_at) ON org_price TO tollgate_app; -- nothing else is ever changed

-- +goose Down
DROP TABLE usage_correction, reprice, org_price;
ALTER TABLE usage_event
  DROP COLUMN cache_write_hour_tokens, DROP COLUMN audio_input_tokens, DROP COLUMN audio_output_tokens, DROP COLUMN image_input_tokens,
  DROP COLUMN image_output_tokens, DROP COLUMN service_tier, DROP COLUMN reported, DROP COLUMN discount_id, DROP COLUMN charges;
DELETE FROM model_price WHERE superseded_at IS NOT NULL OR service <> '';
DROP INDEX model_price_model_key;
ALTER TABLE model_price
  DROP COLUMN service, DROP COLUMN image_input_pico, DROP COLUMN image_output_pico, DROP COLUMN imported, DROP COLUMN recorded_at, DROP COLUMN superseded_at,
  ADD CONSTRAINT model_price_model_key UNIQUE (catalog, model, effective_at, above_tokens);
