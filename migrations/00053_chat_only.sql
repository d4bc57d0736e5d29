-- A provider that speaks as OpenAI does and has Chat Completions, but no Responses: those are translated.

-- +goose Up
ALTER TABLE provider ADD COLUMN chat_only boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE provider DROP COLUMN chat_only;
