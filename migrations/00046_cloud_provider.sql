-- Kinds of provider beside OpenAI and Anthropic, and what they need to be told: the region of Bedrock, the dated form of Azure's API, and
-- whether a server of OpenAI's format knows the common part of it alone, which its price catalog told until now.

-- +goose Up
ALTER TABLE provider DROP CONSTRAINT provider_kind_check;
ALTER TABLE provider ADD CONSTRAINT provider_kind_check CHECK (kind IN ('openai', 'anthropic', 'gemini', 'vertex', 'azure', 'bedrock', 'mistral', 'cohere'));
ALTER TABLE provider ADD COLUMN region text NOT NULL DEFAULT '';
ALTER TABLE provider ADD COLUMN api_version text NOT NULL DEFAULT '';
ALTER TABLE provider ADD COLUMN compatible boolean NOT NULL DEFAULT false;
-- The row policy binds the owner too, who has entered no organization here.
ALTER TABLE provider NO FORCE ROW LEVEL SECURITY;
UPDATE provider SET compatible = true WHERE kind = 'openai' AND catalog <> 'openai';
ALTER TABLE provider FORCE ROW LEVEL SECURITY;

-- +goose Down
ALTER TABLE provider DROP COLUMN compatible;
ALTER TABLE provider DROP COLUMN api_version;
ALTER TABLE provider DROP COLUMN region;
ALTER TABLE provider DROP CONSTRAINT provider_kind_check;
ALTER TABLE provider ADD CONSTRAINT provider_kind_check CHECK (kind IN ('openai', 'anthropic', 'gemini'));
