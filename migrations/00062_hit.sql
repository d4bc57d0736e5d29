-- Calls that kept answers served are told apart on the spend page. They are few of all sums, and found by an index of their own, not by reading every sum
-- of the range.

-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_hour_hit_idx ON usage_hour (org_id, code, hour) WHERE code IN ('cache_hit', 'cache_hit_similar');
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_day_hit_idx ON usage_day (org_id, code, start) WHERE code IN ('cache_hit', 'cache_hit_similar');

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS usage_day_hit_idx;
DROP INDEX CONCURRENTLY IF EXISTS usage_hour_hit_idx;
