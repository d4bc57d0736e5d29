-- Prices by other units than tokens, and how many of them an event used.

-- +goose Up
ALTER TABLE model_price
  ADD COLUMN image_pico        bigint NOT NULL DEFAULT 0 CHECK (image_pico >= 0),        -- for each image made
  ADD COLUMN character_pico    bigint NOT NULL DEFAULT 0 CHECK (character_pico >= 0),    -- for each character spoken
  ADD COLUMN audio_second_pico bigint NOT NULL DEFAULT 0 CHECK (audio_second_pico >= 0), -- for each second of sound heard
  ADD COLUMN search_pico       bigint NOT NULL DEFAULT 0 CHECK (search_pico >= 0),       -- for each search of a reranker
  DROP CONSTRAINT model_price_service_check,
  ADD CONSTRAINT model_price_service_check CHECK (service IN ('', 'batch', 'flex', 'priority') OR image_pico > 0 AND length(service) <= 64);
ALTER TABLE org_price
  ADD COLUMN image_pico        bigint NOT NULL DEFAULT 0 CHECK (image_pico >= 0),
  ADD COLUMN character_pico    bigint NOT NULL DEFAULT 0 CHECK (character_pico >= 0),
  ADD COLUMN audio_second_pico bigint NOT NULL DEFAULT 0 CHECK (audio_second_pico >= 0),
  ADD COLUMN search_pico       bigint NOT NULL DEFAULT 0 CHECK (search_pico >= 0),
  DROP CONSTRAINT org_price_service_check,
  ADD CONSTRAINT org_price_service_check CHECK (service IN ('', 'batch', 'flex', 'priority') OR image_pico > 0 AND length(service) <= 64);
ALTER TABLE usage_event ADD COLUMN units jsonb NOT NULL DEFAULT '{}'; -- images, characters, audio_ms, searches; what is none is left out

-- +goose Down
ALTER TABLE usage_event DROP COLUMN units;
DELETE FROM org_price WHERE service NOT IN ('', 'batch', 'flex', 'priority');
DELETE FROM model_price WHERE service NOT IN ('', 'batch', 'flex', 'priority');
ALTER TABLE org_price
  DROP COLUMN image_pico, DROP COLUMN character_pico, DROP COLUMN audio_second_pico, DROP COLUMN search_pico,
  ADD CONSTRAINT org_price_service_check CHECK (service IN ('', 'batch', 'flex', 'priority'));
ALTER TABLE model_price
  DROP COLUMN image_pico, DROP COLUMN character_pico, DROP COLUMN audio_second_pico, DROP COLUMN search_pico,
  ADD CONSTRAINT model_price_service_check CHECK (service IN ('', 'batch', 'flex', 'priority'));
