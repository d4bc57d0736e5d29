-- Answers that edges keep are forgotten when the number under which they were kept is raised.

-- +goose Up
ALTER TABLE route ADD COLUMN cache_epoch integer NOT NULL DEFAULT 0 CHECK (cache_epoch >= 0);
ALTER TABLE workspace ADD COLUMN cache_epoch integer NOT NULL DEFAULT 0 CHECK (cache_epoch >= 0);

-- +goose Down
ALTER TABLE workspace DROP COLUMN cache_epoch;
ALTER TABLE route DROP COLUMN cache_epoch;
