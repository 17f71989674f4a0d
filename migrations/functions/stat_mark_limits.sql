-- Purpose. Mark in the statistics which tenants have had as many running tasks as their limit allows. To mark twice is to mark once.
-- Parameters. p_seconds: how far back to look, in seconds, less than a minute.
-- Returns. How many buckets were marked that were not before.
-- Locks. stat in the order of its key.
-- Called by. app/stats/store.py.
CREATE OR REPLACE FUNCTION stat_mark_limits(p_seconds double precision)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH full_times AS (
        SELECT s.tenant_id, greatest(s.full_since, now() - make_interval(secs => p_seconds)) AS first,
            coalesce(s.full_until, now()) AS last
        FROM tenant_slots s
        WHERE s.full_until IS NULL OR s.full_until > now() - make_interval(secs => p_seconds)
    ), marked AS (
        INSERT INTO stat AS s (tenant_id, minutes, starts_at, task, is_at_limit)
        -- Less than a minute lies between the two times, so they are in all buckets that it touches.
        SELECT DISTINCT f.tenant_id, z.minutes, date_trunc(z.unit, t.at, 'UTC'), '', true
        FROM full_times f CROSS JOIN LATERAL (VALUES (f.first), (f.last)) AS t (at)
        CROSS JOIN (VALUES (1, 'minute'), (60, 'hour'), (1440, 'day')) AS z (minutes, unit)
        ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT stat_pkey DO UPDATE SET is_at_limit = true WHERE NOT s.is_at_limit
        RETURNING 1
    )
    SELECT count(*) FROM marked
$$;
