-- Purpose. End a task that waits: its tenant has cancelled it, or it has not started in time.
-- Parameters. p_tenant, p_task: which task. p_error: a JSON object. p_is_expiry: end it only if its time to start has
--   passed, and do not note it as a cancel.
-- Returns. One row if it waited and has ended now.
-- Locks. tenant_slots in a statement of its own, as in every claim and end: any other order could deadlock; then
--   backlog, task and the rows that it inserts.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION waiting_revoke(p_tenant uuid, p_task uuid, p_error jsonb, p_is_expiry boolean)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    RETURN QUERY
    WITH taken AS (
        DELETE FROM backlog b
        WHERE b.tenant_id = p_tenant AND b.task_id = p_task AND (NOT p_is_expiry OR b.expires_at <= now())
        RETURNING b.task_id
    ), ended AS (
        UPDATE task k
        SET status = 'REVOKED', error = p_error || jsonb_build_object('attempt', k.attempt), finished_at = now(),
            cancel_requested_at = CASE WHEN p_is_expiry THEN NULL ELSE now() END
        -- By the key: joined with what was taken, a plan may read every task of the tenant.
        WHERE k.tenant_id = p_tenant AND k.id = p_task AND EXISTS (SELECT FROM taken)
        RETURNING k.id, k.status, k.attempt, k.webhook_url IS NOT NULL AS has_webhook
    ), counted AS (
        UPDATE tenant_slots s
        SET departed = s.departed + 1,
            event_seq = s.event_seq + (s.features & 1 <> 0 OR c.has_webhook)::integer,
            webhook_seq = CASE WHEN c.has_webhook THEN s.event_seq + 1 ELSE s.webhook_seq END
        FROM (SELECT coalesce(bool_or(e.has_webhook), false) AS has_webhook FROM ended e) AS c
        WHERE s.tenant_id = p_tenant AND EXISTS (SELECT FROM taken)
        RETURNING s.event_seq, s.features & 1 <> 0 OR c.has_webhook AS is_logged
    ), logged AS (
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
        SELECT p_tenant, c.event_seq, event_type(e.status), e.id, e.attempt,
            CASE WHEN e.has_webhook THEN c.event_seq END
        FROM ended e, counted c WHERE c.is_logged
    )
    SELECT e.status FROM ended e;
END $$;
