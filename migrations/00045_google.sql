-- Google's Gemini API is a kind of provider.

-- +goose Up
ALTER TABLE provider DROP CONSTRAINT provider_kind_check;
ALTER TABLE provider ADD CONSTRAINT provider_kind_check CHECK (kind IN ('openai', 'anthropic', 'gemini'));

-- +goose Down
ALTER TABLE provider DROP CONSTRAINT provider_kind_check;
ALTER TABLE provider ADD CONSTRAINT provider_kind_check CHECK (kind IN ('openai', 'anthropic'));
