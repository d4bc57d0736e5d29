-- What edges say about how much of rate limits is used, by organization: {"<org_id>": [{"limit": …, "subject": …, "taken": …, "known": …, "known_at": …}]}.

-- +goose Up
ALTER TABLE edge ADD COLUMN rate_uses jsonb; -- null: the edge does not say

-- +goose Down
ALTER TABLE edge DROP COLUMN rate_uses;
