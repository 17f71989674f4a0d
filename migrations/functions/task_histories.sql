-- Purpose. Return what has happened to tasks so far, for several callers in one statement and outside any transaction.
-- Parameters. p_tenants, p_ids: pairs of tenant and task.
-- Returns. One row for each task that exists, with the number of its pair (from 1). attempts is a JSON array, the first attempt
--   first; tags, error and progress are JSON texts. Times in it are UTC, to the microsecond.
-- Locks. None.
-- Called by. app/tasks/read/store.py.
CREATE OR REPLACE FUNCTION task_histories(p_tenants uuid[], p_ids uuid[])
RETURNS TABLE (
    number bigint, task text, status text, attempt integer, tags text, error text, progress text, created_at timestamptz,
    scheduled_at timestamptz, finished_at timestamptz, attempts jsonb
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
BEGIN
    -- Row-level security shows rows of these tenants only, until the statement's own transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    RETURN QUERY
        SELECT u.number, k.task, k.status, k.attempt, to_json(k.tags)::text, k.error::text, k.progress::text, k.created_at,
            k.scheduled_at, k.finished_at, (
                -- One statement, so the task and its attempts are those of one moment.
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'attempt', a.attempt, 'status', a.status, 'error', a.error,
                    'started_at', to_char(a.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'finished_at', to_char(a.finished_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                ) ORDER BY a.attempt), '[]')
                FROM attempt a WHERE a.tenant_id = u.tenant_id AND a.task_id = u.id
            )
        -- LATERAL with LIMIT 1: each row is found by its key, whatever the statistics say.
        FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS u (tenant_id, id, number)
        CROSS JOIN LATERAL (
            SELECT * FROM task w WHERE w.tenant_id = u.tenant_id AND w.id = u.id LIMIT 1
        ) AS k;
END $$;
