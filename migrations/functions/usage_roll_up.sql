-- Purpose. Add ended attempts to the usage of their days, and ends to the statistics of their minutes, hours and days. If a row
--   is locked for too long, nothing is added, and the next call tries again: the dispatcher must not wait.
-- Parameters. p_limit: the maximum number of rows of worker_time. p_short_attempt: seconds up to which an attempt is short.
-- Returns. What was added, by tenant and task type, without types of the tenants' own. long_attempts: attempts that took longer than that.
-- Locks. worker_time, then usage_by_task in the order of its key, as submits do, and stat in the order of its key; waits for at
--   most 100 ms for each lock.
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
        RETURNING w.tenant_id, w.ended_at, w.task, w.attempts, w.seconds, w.samples
    ), added AS (
        -- In the order of the key, the same as tasks_accept, so that the two cannot deadlock.
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT s.* FROM (
            SELECT g.tenant_id, (g.ended_at AT TIME ZONE 'UTC')::date AS day, g.task, sum(g.attempts), sum(g.seconds)
            FROM gone g GROUP BY 1, 2, 3
        ) AS s
        -- worker_time has no foreign key, so a row may be left of a tenant that somebody has deleted by hand. LATERAL with
        -- LIMIT: one look-up by the key for each sum, whatever the statistics say.
        CROSS JOIN LATERAL (SELECT FROM tenant t WHERE t.id = s.tenant_id LIMIT 1) AS known
        ORDER BY s.tenant_id, s.day, s.task
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    ), sampled AS MATERIALIZED (
        -- Equal samples are counted first, so that each is taken apart once.
        SELECT c.tenant_id, z.minutes, date_trunc(z.unit, c.minute, 'UTC') AS starts_at, c.task, c.sample, sum(c.n) AS n
        FROM (
            SELECT g.tenant_id, date_trunc('minute', g.ended_at) AS minute, g.task, v.sample, count(*) AS n
            FROM gone g CROSS JOIN LATERAL unnest(g.samples) AS v (sample) GROUP BY 1, 2, 3, 4
        ) AS c CROSS JOIN (VALUES (1, 'minute'), (60, 'hour'), (1440, 'day')) AS z (minutes, unit)
        GROUP BY 1, 2, 3, 4, 5
    ), timed AS (
        -- The three histograms of stat.times.
        SELECT k.tenant_id, k.minutes, k.starts_at, k.task, array_agg(k.n * 256 + k.key) AS times FROM (
            SELECT s.tenant_id, s.minutes, s.starts_at, s.task, h.key, sum(s.n)::bigint AS n FROM sampled s
            CROSS JOIN LATERAL (
                VALUES (s.sample >> 3 & 63), (64 + (s.sample >> 9 & 63)), (128 + (s.sample >> 15 & 63))
            ) AS h (key)
            WHERE s.sample & 4 <> 0 GROUP BY 1, 2, 3, 4, 5
        ) AS k GROUP BY 1, 2, 3, 4
    ), counted AS (
        INSERT INTO stat AS s (tenant_id, minutes, starts_at, task, succeeded, failed, revoked, retried, times)
        SELECT c.*, coalesce(t.times, '{}') FROM (
            SELECT s.tenant_id, s.minutes, s.starts_at, s.task, coalesce(sum(s.n) FILTER (WHERE s.sample & 3 = 0), 0),
                coalesce(sum(s.n) FILTER (WHERE s.sample & 3 = 1), 0), coalesce(sum(s.n) FILTER (WHERE s.sample & 3 = 2), 0),
                coalesce(sum(s.n) FILTER (WHERE s.sample & 3 = 3), 0)
            FROM sampled s GROUP BY 1, 2, 3, 4
        ) AS c
        LEFT JOIN timed t USING (tenant_id, minutes, starts_at, task)
        CROSS JOIN LATERAL (SELECT FROM tenant k WHERE k.id = c.tenant_id LIMIT 1) AS known
        ORDER BY 1, 2, 3, 4
        ON CONFLICT ON CONSTRAINT stat_pkey DO UPDATE
            SET succeeded = s.succeeded + excluded.succeeded, failed = s.failed + excluded.failed,
                revoked = s.revoked + excluded.revoked, retried = s.retried + excluded.retried,
                -- Counts of equal keys are added.
                times = coalesce((
                    SELECT array_agg(m.n * 256 + m.key) FROM (
                        SELECT v & 255 AS key, sum(v >> 8)::bigint AS n FROM unnest(s.times || excluded.times) AS v GROUP BY 1
                    ) AS m
                ), '{}')
    )
    -- By task type without the day: the dispatcher learns from it which types are long.
    SELECT array_agg(s.tenant_id), array_agg(s.task), array_agg(s.n), array_agg(s.seconds), array_agg(s.long)
    INTO tenants, types, counts, sums, longs
    FROM (
        SELECT g.tenant_id, g.task, sum(g.attempts) AS n, sum(g.seconds) AS seconds,
            -- A row is long if its attempts took longer than a short one on average.
            coalesce(sum(g.attempts) FILTER (WHERE g.seconds > g.attempts * p_short_attempt), 0) AS long
        FROM gone g
        -- The time of a tenant's own workers is no time of the service's.
        WHERE NOT EXISTS (SELECT FROM task_type y WHERE y.tenant_id = g.tenant_id AND y.name = g.task)
        GROUP BY g.tenant_id, g.task
    ) AS s;
    RETURN QUERY SELECT * FROM unnest(tenants, types, counts, sums, longs);
-- The lock of a row was not free within lock_timeout. Everything above is undone.
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
