-- Admission: how many calls a provider carries at a time and how many wait for it, and which of a workspace's keys go first.

-- +goose Up
ALTER TABLE provider
  ADD COLUMN max_concurrency integer NOT NULL DEFAULT 0 CHECK (max_concurrency BETWEEN 0 AND 1000000), -- over all edges; 0: no limit
  ADD COLUMN queue_length    integer NOT NULL DEFAULT 0 CHECK (queue_length BETWEEN 0 AND 100000), -- on each edge
  ADD COLUMN queue_wait_ms   integer NOT NULL DEFAULT 0 CHECK (queue_wait_ms BETWEEN 0 AND 600000);
ALTER TABLE virtual_key
  ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('high', 'normal', 'low'));

-- +goose Down
ALTER TABLE virtual_key DROP COLUMN priority;
ALTER TABLE provider DROP COLUMN queue_wait_ms, DROP COLUMN queue_length, DROP COLUMN max_concurrency;
