-- What edges say about canaries that they have stopped, by organization: {"<org_id>": [{"route_id": …, "version": …, …}]}.

-- +goose Up
ALTER TABLE edge ADD COLUMN stopped_canaries jsonb NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE edge DROP COLUMN stopped_canaries;
