-- Vertex AI is called for a project of Google Cloud's. What a credential says of who calls, such as a service account's address, is shown
-- beside its name, so that people can tell credentials apart without their secrets.

-- +goose Up
ALTER TABLE provider ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN identity text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE credential DROP COLUMN identity;
ALTER TABLE provider DROP COLUMN project;
