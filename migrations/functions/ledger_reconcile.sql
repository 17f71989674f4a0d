-- Purpose. Make the counters of slots and backlogs what the rows say. What is compared is of one snapshot and what is
--   written is the difference, so that nothing has to stand still meanwhile.
-- Parameters. None.
-- Returns. The counters that were wrong, and by how much: there should be none.
-- Locks. tenant_slots, only where something is wrong; waits for at most 100 ms.
-- Called by. app/quotas/store.py.
CREATE OR REPLACE FUNCTION ledger_reconcile()
RETURNS TABLE (tenant_id uuid, running_off integer, running_asyncio_off integer, waiting_off bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '100ms'
SET enable_seqscan = on
AS $$
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
