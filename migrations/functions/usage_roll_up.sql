-- Purpose. Add ended attempts to their days. A row that somebody holds is left for the next time: the dispatcher
--   waits for nobody.
-- Parameters. p_limit: rows of worker_time.
-- Returns. What was added, by tenant and task type; long_attempts: those that took more than a second.
-- Locks. worker_time, then usage_by_task in the order of its key, as submits do; waits for at most 100 ms.
-- Called by. app/quotas/store.py.
CREATE OR REPLACE FUNCTION usage_roll_up(p_limit integer)
RETURNS TABLE (tenant_id uuid, task text, attempts bigint, seconds double precision, long_attempts bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
    tenants uuid[];
    types text[];
    counts bigint[];
    sums double precision[];
    longs bigint[];
BEGIN
    -- Into variables first: rows once returned would stay when the statement then fails.
    WITH gone AS (
        DELETE FROM worker_time w
        WHERE w.id <= (SELECT max(o.id) FROM (SELECT id FROM worker_time ORDER BY id LIMIT p_limit) AS o)
        RETURNING w.tenant_id, w.day, w.task, w.attempts, w.seconds
    ), added AS (
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT g.tenant_id, g.day, g.task, sum(g.attempts), sum(g.seconds) FROM gone g GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    )
    SELECT array_agg(s.tenant_id), array_agg(s.task), array_agg(s.n), array_agg(s.seconds), array_agg(s.long)
    INTO tenants, types, counts, sums, longs
    FROM (
        SELECT g.tenant_id, g.task, sum(g.attempts) AS n, sum(g.seconds) AS seconds,
            coalesce(sum(g.attempts) FILTER (WHERE g.seconds > g.attempts), 0) AS long
        FROM gone g GROUP BY g.tenant_id, g.task
    ) AS s;
    RETURN QUERY SELECT * FROM unnest(tenants, types, counts, sums, longs);
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
