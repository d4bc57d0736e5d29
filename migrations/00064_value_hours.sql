-- What one value costs hour by hour, for forecasts and the pages of budgets: a run of an index, where the key goes from hour to hour over all values.

-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_slice_value_idx ON usage_slice (org_id, dimension, name, value, start) WHERE step = 'hour';

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS usage_slice_value_idx;
