-- Purpose. Add to the statistics the tasks that tenants have submitted since the last call: what usage_by_task counts more than
--   the statistics of its day do. So each task is counted once, however often it is called.
-- Parameters. p_tenants: the tenants.
-- Returns. How many tasks were added.
-- Locks. A lock of its own against another call, then stat in the order of its key.
-- Called by. app/stats/store.py.
CREATE OR REPLACE FUNCTION stat_count_submits(p_tenants uuid[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    added bigint;
BEGIN
    -- The next statement begins after the lock, so it sees what the call before has written.
    PERFORM pg_advisory_xact_lock(hashtextextended('stat_count_submits', 0));
    WITH found AS (
        -- LATERAL with LIMIT: look-ups by the key, whatever the statistics say. The day before is settled too, because a
        -- submit may commit after midnight.
        SELECT u.tenant_id, u.task, u.tasks - coalesce(d.submitted, 0) AS n,
            CASE u.day WHEN today THEN now() ELSE (u.day + 1)::timestamp AT TIME ZONE 'UTC' - interval '1 minute' END AS at
        FROM unnest(p_tenants) AS p (tenant_id)
        CROSS JOIN LATERAL (
            SELECT g.tenant_id, g.day, g.task, g.tasks FROM usage_by_task g
            WHERE g.tenant_id = p.tenant_id AND g.day BETWEEN today - 1 AND today
        ) AS u
        LEFT JOIN LATERAL (
            SELECT s.submitted FROM stat s
            WHERE s.tenant_id = u.tenant_id AND s.minutes = 1440 AND s.starts_at = u.day::timestamp AT TIME ZONE 'UTC'
              AND s.task = u.task
            LIMIT 1
        ) AS d ON true
        WHERE u.tasks > coalesce(d.submitted, 0)
    ), counted AS (
        INSERT INTO stat AS s (tenant_id, minutes, starts_at, task, submitted)
        SELECT f.tenant_id, z.minutes, date_trunc(z.unit, f.at, 'UTC'), f.task, f.n
        FROM found f CROSS JOIN (VALUES (1, 'minute'), (60, 'hour'), (1440, 'day')) AS z (minutes, unit)
        ORDER BY 1, 2, 3, 4
        ON CONFLICT ON CONSTRAINT stat_pkey DO UPDATE SET submitted = s.submitted + excluded.submitted
    )
    SELECT coalesce(sum(f.n), 0) INTO added FROM found f;
    RETURN added;
END $$;
