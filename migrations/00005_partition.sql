-- Usage events by day (UTC). The app's role owns no table, so that it makes and drops partitions through two functions of the owner.

-- +goose Up
-- Makes the partition of one day and says whether it did: not when it is there, and not when the default partition already holds rows of
-- that day. A partition is under the same row policy as its parent and is reached through the parent only.
-- +goose StatementBegin
CREATE FUNCTION make_usage_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
  part text := 'usage_event_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF day IS NULL OR abs(day - (now() AT TIME ZONE 'UTC')::date) > 31 THEN
    RAISE EXCEPTION 'a usage partition is made for a day near today' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(7046029255); -- one at a time
  IF to_regclass('public.' || part) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE public.usage_event INCLUDING ALL)', part);
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', part);
  EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', part);
  EXECUTE format('CREATE POLICY tenant ON public.%I USING (org_id = current_setting(''app.org'')::uuid) WITH CHECK (org_id = current_setting(''app.org'')::uuid)', part);
  EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, tollgate_app', part);
  EXECUTE format('ALTER TABLE public.usage_event ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', part,
    to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
  RETURN true;
EXCEPTION
  WHEN check_violation THEN -- the default partition has rows of the day; they stay there
    RETURN false;
END
$$;
-- +goose StatementEnd

-- Drops the partitions of the days before one day, deletes some of what the default partition holds of them, and returns the names of what
-- it took from; it is called until it returns none. The sums by hour stay.
-- +goose StatementBegin
CREATE FUNCTION drop_usage_before(day date) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
  entered text := current_setting('app.org', true);
  dropped text[] := '{}';
  part text;
  org uuid;
  removed bigint;
  total bigint := 0;
BEGIN
  IF day IS NULL OR day > (now() AT TIME ZONE 'UTC')::date THEN
    RAISE EXCEPTION 'usage of today and of days to come is never dropped' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(7046029255);
  FOR part IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.usage_event'::regclass AND c.relname ~ '^usage_event_[0-9]{8}$' AND c.relname < 'usage_event_' || to_char(day, 'YYYYMMDD')
    ORDER BY c.relname
  LOOP
    EXECUTE format('DROP TABLE public.%I', part);
    dropped := dropped || part;
  END LOOP;
  -- The row policy binds the owner too: one organization at a time.
  FOR org IN SELECT g.org_id FROM public.generation g WHERE g.org_id <> '00000000-0000-0000-0000-000000000000' ORDER BY g.org_id LOOP
    PERFORM set_config('app.org', org::text, true);
    DELETE FROM public.usage_event_default d WHERE d.ctid IN (
      SELECT e.ctid FROM public.usage_event_default e
      WHERE e.org_id = org AND e.started_at < (to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00')::timestamptz
      LIMIT 20000);
    GET DIAGNOSTICS removed = ROW_COUNT;
    total := total + removed;
  END LOOP;
  PERFORM set_config('app.org', coalesce(entered, ''), true);
  IF total > 0 THEN
    dropped := dropped || 'usage_event_default'::text;
  END IF;
  RETURN dropped;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION make_usage_partition(date), drop_usage_before(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_usage_partition(date), drop_usage_before(date) TO tollgate_app;

-- +goose Down
DROP FUNCTION make_usage_partition(date), drop_usage_before(date);
