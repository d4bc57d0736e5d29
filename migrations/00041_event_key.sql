-- One index of usage events does what two did: it is unique, and lists an organization's calls by time. Whoever looks for one event knows when it
-- began: its id says so, to the millisecond. And what a row policy checks of each row that is written is asked once in a statement.
-- It locks against writing one day's partition at a time while that day's index is built, and everything for a moment at the end.

-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE part regclass;
BEGIN
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'usage_event'::regclass ORDER BY inhrelid LOOP
    EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON %s (org_id, started_at DESC, event_id)', part::text || '_key', part);
    COMMIT;
  END LOOP;
END
$$;
-- +goose StatementEnd
CREATE UNIQUE INDEX IF NOT EXISTS usage_event_key ON usage_event (org_id, started_at DESC, event_id); -- takes over those of the partitions
ALTER TABLE usage_event DROP CONSTRAINT IF EXISTS usage_event_pkey;
DROP INDEX IF EXISTS usage_event_recent_idx;
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['usage_event', 'usage_pending', 'usage_hour', 'usage_day', 'usage_tag_hour', 'usage_tag_day', 'usage_run'] LOOP
    EXECUTE format('ALTER POLICY tenant ON %I WITH CHECK (org_id = (SELECT current_setting(''app.org'')::uuid))', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['usage_event', 'usage_pending', 'usage_hour', 'usage_day', 'usage_tag_hour', 'usage_tag_day', 'usage_run'] LOOP
    EXECUTE format('ALTER POLICY tenant ON %I WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
  END LOOP;
END
$$;
-- +goose StatementEnd
CREATE INDEX IF NOT EXISTS usage_event_recent_idx ON usage_event (org_id, started_at DESC, event_id);
ALTER TABLE usage_event ADD PRIMARY KEY (org_id, event_id, started_at);
DROP INDEX IF EXISTS usage_event_key;
