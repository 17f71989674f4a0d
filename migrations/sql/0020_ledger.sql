-- Add up to p_limit rows to their days; returns of each tenant and task type how many attempts have ended, how long they
-- ran, and how many of them for more than a second. In the order of the key, as submits do. A row that somebody holds is
-- left for the next time: the dispatcher waits for nobody.
DROP FUNCTION usage_roll_up;
CREATE FUNCTION usage_roll_up(p_limit integer)
    RETURNS TABLE (tenant_id uuid, task text, attempts bigint, seconds double precision, long_attempts bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '100ms' AS $$
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

-- Make the counters of slots and backlogs what the rows say, and return those which were not: there should be none. What
-- is compared is of one snapshot, and what is written is the difference, so that nothing needs to stand still meanwhile. It
-- counts all there is, for which to read the tables as they lie is right, whatever the role prefers.
DROP FUNCTION ledger_reconcile;
CREATE FUNCTION ledger_reconcile()
    RETURNS TABLE (tenant_id uuid, running_off integer, running_asyncio_off integer, waiting_off bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '100ms' SET enable_seqscan = on AS $$
#variable_conflict use_column
BEGIN
    -- Each is counted once, however the counts are then joined.
    RETURN QUERY WITH runs AS MATERIALIZED (
        SELECT o.tenant_id, count(*)::integer AS n, count(*) FILTER (WHERE k.pool = 'asyncio')::integer AS asyncio
        FROM attempt o
        CROSS JOIN LATERAL (SELECT t.pool FROM task t WHERE t.tenant_id = o.tenant_id AND t.id = o.task_id LIMIT 1) AS k
        WHERE o.finished_at IS NULL GROUP BY 1
    ), waits AS MATERIALIZED (
        SELECT w.tenant_id, count(*) AS n FROM backlog w GROUP BY 1
    ), counted AS MATERIALIZED (
        SELECT s.tenant_id, s.running - coalesce(r.n, 0) AS running_off,
            s.running_asyncio - coalesce(r.asyncio, 0) AS running_asyncio_off,
            coalesce(a.admitted, 0) + s.returned - s.departed - coalesce(b.n, 0) AS waiting_off
        FROM tenant_slots s
        JOIN tenant t ON t.id = s.tenant_id AND t.status <> 'deleted'
        LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id
        LEFT JOIN runs r ON r.tenant_id = s.tenant_id
        LEFT JOIN waits b ON b.tenant_id = s.tenant_id
    )
    UPDATE tenant_slots s
    SET running = s.running - c.running_off, running_asyncio = s.running_asyncio - c.running_asyncio_off,
        departed = s.departed + c.waiting_off
    FROM counted c
    WHERE s.tenant_id = c.tenant_id AND (c.running_off <> 0 OR c.running_asyncio_off <> 0 OR c.waiting_off <> 0)
    RETURNING c.tenant_id, c.running_off, c.running_asyncio_off, c.waiting_off;
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
REVOKE ALL ON FUNCTION usage_roll_up, ledger_reconcile FROM public;
GRANT EXECUTE ON FUNCTION usage_roll_up, ledger_reconcile TO tq_dispatch;
