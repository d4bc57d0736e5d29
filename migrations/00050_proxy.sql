-- A key that may call the providers of its routes as they are, at any path.

-- +goose Up
ALTER TABLE virtual_key ADD COLUMN allows_proxy boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE virtual_key DROP COLUMN allows_proxy;
