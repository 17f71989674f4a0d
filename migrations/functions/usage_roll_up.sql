-- Purpose. Add ended attempts to the usage of their days. If a row is locked for too long, nothing is added, and the next
--   call tries again: the dispatcher must not wait.
-- Parameters. p_limit: the maximum number of rows of worker_time. p_short_attempt: seconds up to which an attempt is short.
-- Returns. What was added, by tenant and task type. long_attempts: attempts that took longer than that.
-- Locks. worker_time, then usage_by_task in the order of its key, as submits do; waits for at most 100 ms for each lock.
-- Called by. app/quotas/store.py.
CREATE OR REPLACE FUNCTION usage_roll_up(p_limit integer, p_short_attempt double precision)
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
    -- The answer goes into variables first: rows that were already returned would stay although the statement then fails.
    WITH gone AS (
        -- The oldest rows. They are named by one bound of ids: a join of the table with its own batch may read the whole table
        -- (docs/decisions/0010-plans-whatever-statistics-know.md).
        DELETE FROM worker_time w
        WHERE w.id <= (SELECT max(o.id) FROM (SELECT id FROM worker_time ORDER BY id LIMIT p_limit) AS o)
        RETURNING w.tenant_id, w.day, w.task, w.attempts, w.seconds
    ), added AS (
        -- In the order of the key, the same as tasks_accept, so that the two cannot deadlock.
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT s.* FROM (
            SELECT g.tenant_id, g.day, g.task, sum(g.attempts), sum(g.seconds) FROM gone g GROUP BY 1, 2, 3
        ) AS s
        -- worker_time has no foreign key, so a row may be left of a tenant that somebody has deleted by hand. LATERAL with
        -- LIMIT: one look-up by the key for each sum, whatever the statistics say.
        CROSS JOIN LATERAL (SELECT FROM tenant t WHERE t.id = s.tenant_id LIMIT 1) AS known
        ORDER BY s.tenant_id, s.day, s.task
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    )
    -- By task type without the day: the dispatcher learns from it which types are long.
    SELECT array_agg(s.tenant_id), array_agg(s.task), array_agg(s.n), array_agg(s.seconds), array_agg(s.long)
    INTO tenants, types, counts, sums, longs
    FROM (
        SELECT g.tenant_id, g.task, sum(g.attempts) AS n, sum(g.seconds) AS seconds,
            -- A row is long if its attempts took longer than a short one on average.
            coalesce(sum(g.attempts) FILTER (WHERE g.seconds > g.attempts * p_short_attempt), 0) AS long
        FROM gone g GROUP BY g.tenant_id, g.task
    ) AS s;
    RETURN QUERY SELECT * FROM unnest(tenants, types, counts, sums, longs);
-- The lock of a row was not free within lock_timeout. Everything above is undone.
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
