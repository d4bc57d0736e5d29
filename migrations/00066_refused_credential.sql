-- What edges say about credentials that providers did not let through, by organization: {"<org_id>": [{"credential_id": …, "status": …, …}]}.

-- +goose Up
ALTER TABLE edge ADD COLUMN refused_credentials jsonb NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE edge DROP COLUMN refused_credentials;
