-- Purpose. Correct the counters of slots and backlogs by counting the rows. All counts are of one snapshot, and the
--   difference is written, not the count. So claims, ends and submits go on meanwhile.
-- Parameters. None.
-- Returns. The counters that were wrong, and by how much. There should be none.
-- Locks. tenant_slots, only the rows that are wrong; waits for at most 100 ms for each.
-- Called by. app/quotas/store.py.
CREATE OR REPLACE FUNCTION ledger_reconcile()
RETURNS TABLE (tenant_id uuid, running_off integer, running_asyncio_off integer, running_http_off integer, leased_off integer, waiting_off bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '100ms'
SET enable_seqscan = on
AS $$
#variable_conflict use_column
BEGIN
    -- The CTEs are MATERIALIZED, so that each table is counted once, whatever plan joins the counts. enable_seqscan is on
    -- (see above), because whole tables are read here.
    RETURN QUERY WITH runs AS MATERIALIZED (
        -- Running attempts of each tenant. LATERAL: the pool is found by the key of the task, one probe for each attempt.
        SELECT o.tenant_id, count(*) FILTER (WHERE k.pool NOT LIKE 'remote:%')::integer AS n,
            count(*) FILTER (WHERE k.pool = 'asyncio')::integer AS asyncio,
            count(*) FILTER (WHERE k.pool = 'http')::integer AS http,
            count(*) FILTER (WHERE k.pool LIKE 'remote:%')::integer AS leased
        FROM attempt o
        CROSS JOIN LATERAL (SELECT t.pool FROM task t WHERE t.tenant_id = o.tenant_id AND t.id = o.task_id LIMIT 1) AS k
        WHERE o.finished_at IS NULL GROUP BY 1
    ), waits AS MATERIALIZED (
        -- Waiting tasks of each tenant, also those that wait for others.
        SELECT w.tenant_id, count(*) AS n FROM (
            SELECT b.tenant_id FROM backlog b UNION ALL SELECT h.tenant_id FROM held h
        ) AS w GROUP BY 1
    ), counted AS MATERIALIZED (
        -- How much each counter differs from the rows. A deleted tenant is left out, because its rows are being erased.
        SELECT s.tenant_id, s.running - coalesce(r.n, 0) AS running_off,
            s.running_asyncio - coalesce(r.asyncio, 0) AS running_asyncio_off,
            s.running_http - coalesce(r.http, 0) AS running_http_off,
            s.leased - coalesce(r.leased, 0) AS leased_off,
            coalesce(a.admitted, 0) + s.returned - s.departed - coalesce(b.n, 0) AS waiting_off
        FROM tenant_slots s
        JOIN tenant t ON t.id = s.tenant_id AND t.status <> 'deleted'
        LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id
        LEFT JOIN runs r ON r.tenant_id = s.tenant_id
        LEFT JOIN waits b ON b.tenant_id = s.tenant_id
    )
    -- departed corrects the number of waiting tasks: admitted belongs to submits, which lock another row.
    UPDATE tenant_slots s
    SET running = s.running - c.running_off, running_asyncio = s.running_asyncio - c.running_asyncio_off,
        running_http = s.running_http - c.running_http_off, leased = s.leased - c.leased_off,
        departed = s.departed + c.waiting_off
    FROM counted c
    WHERE s.tenant_id = c.tenant_id
      AND (c.running_off <> 0 OR c.running_asyncio_off <> 0 OR c.running_http_off <> 0 OR c.leased_off <> 0
        OR c.waiting_off <> 0)
    RETURNING c.tenant_id, c.running_off, c.running_asyncio_off, c.running_http_off, c.leased_off, c.waiting_off;
-- Somebody holds a row that is wrong. Nothing is corrected, and the next call tries again.
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
