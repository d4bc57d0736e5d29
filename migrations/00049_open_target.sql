-- What edges say about targets that they hold calls back from, by organization: {"<org_id>": [{"provider_id": …, "model": …, …}]}.

-- +goose Up
ALTER TABLE edge ADD COLUMN open_targets jsonb NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE edge DROP COLUMN open_targets;
