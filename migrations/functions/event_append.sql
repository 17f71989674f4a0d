-- Purpose. Append an event that is about no task to a tenant's log, in the transaction that makes it true.
-- Parameters. p_tenant_id: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner, whom row-level security lets see all. p_type: event.type. p_subject: what it is about. p_data: its content, a JSON
--   object.
-- Returns. The number of the event; null if the tenant neither reads its events nor has endpoints: then nothing is written.
-- Locks. tenant_slots. Call it before any other lock is taken, but for those that come before it (migrations/schema/README.md).
-- Called by. endpoint_failed, keys_expiring, quotas_reached, schedules_skipped, app/webhooks/endpoints/store.py.
CREATE OR REPLACE FUNCTION event_append(p_tenant_id uuid, p_type smallint, p_subject uuid, p_data jsonb)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    number bigint;
    has_endpoints boolean;
BEGIN
    IF (p_tenant_id = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN NULL; END IF;
    -- The row stays locked until the commit, so numbers have no gaps and become visible in their order
    -- (docs/decisions/0014-event-log.md).
    UPDATE tenant_slots s
    SET event_seq = s.event_seq + 1,
        webhook_seq = CASE WHEN s.features & 2 <> 0 THEN s.event_seq + 1 ELSE s.webhook_seq END
    WHERE s.tenant_id = p_tenant_id AND s.features & 3 <> 0
    RETURNING s.event_seq, s.features & 2 <> 0 INTO number, has_endpoints;
    IF FOUND THEN
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq, data)
        VALUES (p_tenant_id, number, p_type, p_subject, 0, CASE WHEN has_endpoints THEN number END, p_data);
    END IF;
    RETURN number;
END $$;
