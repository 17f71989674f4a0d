-- Purpose. Return what has happened to tasks so far, for several callers in one statement and outside any transaction.
-- Parameters. One element for each caller, at the same place in every array. p_tenants, p_ids: the task. p_attempts, p_lines:
--   the attempt and number of the last log line that the caller has read. Then, once for all: p_limit: the most log lines.
-- Returns. One row for each task that exists, with the number of its caller (from 1). attempts and lines are JSON arrays, the
--   first one first; tags, error and progress are JSON texts. Times in the arrays are UTC, to the microsecond.
-- Locks. None.
-- Called by. app/tasks/read/store.py.
CREATE OR REPLACE FUNCTION task_histories(
    p_tenants uuid[], p_ids uuid[], p_attempts integer[], p_lines integer[], p_limit integer
)
RETURNS TABLE (
    number bigint, task text, status text, attempt integer, tags text, error text, progress text, created_at timestamptz,
    scheduled_at timestamptz, finished_at timestamptz, attempts jsonb, lines jsonb
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
            ), (
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'attempt', l.attempt, 'seq', l.seq, 'level', l.level, 'message', l.message, 'fields', l.fields,
                    'at', to_char(l.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                ) ORDER BY l.attempt, l.seq), '[]')
                FROM (
                    SELECT * FROM task_log w
                    WHERE w.tenant_id = u.tenant_id AND w.task_id = u.id AND (w.attempt, w.seq) > (u.attempt, u.line)
                    ORDER BY w.attempt, w.seq LIMIT p_limit
                ) AS l
            )
        -- LATERAL with LIMIT 1: each row is found by its key, whatever the statistics say.
        FROM unnest(p_tenants, p_ids, p_attempts, p_lines) WITH ORDINALITY AS u (tenant_id, id, attempt, line, number)
        CROSS JOIN LATERAL (
            SELECT * FROM task w WHERE w.tenant_id = u.tenant_id AND w.id = u.id LIMIT 1
        ) AS k;
END $$;
