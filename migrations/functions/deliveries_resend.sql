-- Purpose. Send deliveries again: they become PENDING and due, and the schedule of attempts begins again. webhook-id and body stay
--   the same; one that was skipped before it had a body gets it now.
-- Parameters. p_tenant: the tenant. It must be one of the transaction (app.tenant_ids), because this function runs as the owner,
--   whom row-level security lets see all. p_ids: the deliveries. p_statuses: the statuses that they may have. p_before: they must have
--   ended at this time or earlier; null for any time.
-- Returns. For each delivery that exists its outcome: sent; pending, for one that is being sent anyway; changed, for one of another
--   status or that has ended later; disabled, if its endpoint is disabled or deleted; lost, if no body can be made any more.
-- Locks. Each delivery; for a new body also its task (FOR SHARE), so that it is not erased meanwhile.
-- Called by. app/webhooks/history/store.py.
CREATE OR REPLACE FUNCTION deliveries_resend(p_tenant uuid, p_ids uuid[], p_statuses text[], p_before timestamptz)
RETURNS TABLE (id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    one record;
    made text;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    FOR one IN
        -- In the order of ids, so that two callers cannot deadlock. LATERAL: each delivery is found by its key.
        SELECT k.* FROM (SELECT DISTINCT n.id FROM unnest(p_ids) AS n (id) ORDER BY 1) AS u CROSS JOIN LATERAL (
            SELECT d.id, d.status, d.finished_at, d.endpoint_id, d.body IS NULL AS needs_body, d.event_seq, d.event_id,
                d.event_type, d.task_id
            FROM delivery d WHERE d.tenant_id = p_tenant AND d.id = u.id FOR UPDATE
        ) AS k
    LOOP
        id := one.id;
        outcome := CASE
            WHEN one.status = 'PENDING' THEN 'pending'
            WHEN one.status <> ALL(p_statuses) OR one.finished_at > p_before THEN 'changed'
            WHEN one.endpoint_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM endpoint p WHERE p.tenant_id = p_tenant AND p.id = one.endpoint_id AND p.enabled
            ) THEN 'disabled'
            ELSE 'sent' END;
        IF outcome = 'sent' AND one.needs_body THEN
            made := delivery_body(p_tenant, one.event_seq, one.event_id, one.event_type, one.task_id);
            IF made IS NULL THEN outcome := 'lost'; END IF;
        END IF;
        IF outcome = 'sent' THEN
            UPDATE delivery d
            SET status = 'PENDING', schedule_from = d.attempt, due_at = now(), claim_token = NULL, finished_at = NULL,
                skipped_reason = NULL, body = coalesce(d.body, made)
            WHERE d.tenant_id = p_tenant AND d.id = one.id;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
