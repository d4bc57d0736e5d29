-- name: Live :exec
-- Says for as long as the session lasts that the worker with this number is alive. Shared: a new session of the same worker need not
-- wait until the server has noticed the end of the old one.
-- @sqlc-vet-disable org-id-required
-- Jobs are the platform's; their arguments are ids.
SELECT pg_advisory_lock_shared(sqlc.arg(space)::integer, sqlc.arg(worker)::integer);

-- name: Reclaim :execrows
-- Gives back the jobs of other workers whose number nobody holds any more: their processes are gone. A job that was tried often enough
-- is put away.
-- @sqlc-vet-disable org-id-required
-- Jobs are the platform's; their arguments are ids.
WITH others AS MATERIALIZED (
  SELECT DISTINCT attempted_by[array_upper(attempted_by, 1)]::integer AS worker
  FROM river_job
  WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)]::integer <> sqlc.arg(worker)::integer
), gone AS MATERIALIZED (
  SELECT worker FROM others WHERE pg_try_advisory_xact_lock(sqlc.arg(space)::integer, worker)
)
UPDATE river_job SET
  state = (CASE WHEN attempt < max_attempts THEN 'available' ELSE 'discarded' END)::river_job_state,
  finalized_at = CASE WHEN attempt < max_attempts THEN NULL ELSE now() END,
  errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', attempt, 'error', 'the process that did it is gone', 'trace', ''))
FROM gone
WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)]::integer = gone.worker;
