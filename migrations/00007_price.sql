-- Prices of long inputs, of audio, of cache writes by lifetime and of the request itself. A row with above_tokens is the tier of its model for
-- inputs longer than that; the id in an event says which tier it was charged at.

-- +goose Up
ALTER TABLE model_price
  ADD COLUMN above_tokens          integer NOT NULL DEFAULT 0 CHECK (above_tokens >= 0),
  ADD COLUMN cache_write_hour_pico bigint NOT NULL DEFAULT 0 CHECK (cache_write_hour_pico >= 0),
  ADD COLUMN audio_input_pico      bigint NOT NULL DEFAULT 0 CHECK (audio_input_pico >= 0),
  ADD COLUMN audio_output_pico     bigint NOT NULL DEFAULT 0 CHECK (audio_output_pico >= 0),
  ADD COLUMN request_pico          bigint NOT NULL DEFAULT 0 CHECK (request_pico >= 0);
UPDATE model_price SET cache_write_hour_pico = cache_write_pico, audio_input_pico = input_pico, audio_output_pico = output_pico;
ALTER TABLE model_price
  ALTER COLUMN cache_write_hour_pico DROP DEFAULT,
  ALTER COLUMN audio_input_pico DROP DEFAULT,
  ALTER COLUMN audio_output_pico DROP DEFAULT,
  DROP CONSTRAINT model_price_model_key,
  ADD CONSTRAINT model_price_model_key UNIQUE (catalog, model, effective_at, above_tokens);

-- +goose Down
DELETE FROM model_price WHERE above_tokens > 0;
ALTER TABLE model_price
  DROP CONSTRAINT model_price_model_key,
  DROP COLUMN above_tokens,
  DROP COLUMN cache_write_hour_pico,
  DROP COLUMN audio_input_pico,
  DROP COLUMN audio_output_pico,
  DROP COLUMN request_pico,
  ADD CONSTRAINT model_price_model_key UNIQUE (catalog, model, effective_at);
