-- Purpose. Record that an attempt to send to an endpoint has failed. An event says so once, until the endpoint answers again. An
--   endpoint that is gone, or has failed for too long, is disabled, and an event says that too.
-- Parameters. p_tenant, p_endpoint: the endpoint; p_tenant must be a tenant of the transaction (app.tenant_ids), because this
--   function runs as the owner. p_is_gone: the receiver has answered 410. p_is_last: it was the last attempt of a delivery.
--   p_failing_after: the time for which every attempt fails before the event endpoint.failing comes. p_disabled_after: the same
--   before the endpoint is disabled. p_audit_event: the id of the event in the audit log, if it is disabled.
-- Returns. True if the endpoint is disabled by this call.
-- Locks. tenant_slots, in a statement of its own, if an event may follow; then endpoint. Call it before a delivery is locked.
-- Called by. app/webhooks/endpoint_state_store.py.
CREATE OR REPLACE FUNCTION endpoint_failed(
    p_tenant uuid, p_endpoint uuid, p_is_gone boolean, p_is_last boolean, p_failing_after interval, p_disabled_after interval,
    p_audit_event uuid
)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    -- Whether an event may follow, so that the slots have to be locked before the endpoint is.
    may_tell boolean;
    is_too_long boolean;
    seen record;
    facts jsonb;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN false; END IF;
    -- Most failures follow others and change nothing. They take no lock.
    SELECT e.failing_since, p_is_gone OR coalesce(e.failing_since <= now() - p_disabled_after, false) OR (
        e.failing_told_at IS NULL AND (p_is_last OR coalesce(e.failing_since <= now() - p_failing_after, false))) AS may_tell
    INTO seen FROM endpoint e WHERE e.tenant_id = p_tenant AND e.id = p_endpoint AND e.enabled;
    IF NOT FOUND OR (seen.failing_since IS NOT NULL AND NOT seen.may_tell) THEN RETURN false; END IF;
    may_tell := seen.may_tell;
    IF may_tell THEN
        PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    END IF;
    -- Read again under the lock: another process may have written the same meanwhile.
    SELECT e.url, e.failing_since, e.failing_told_at INTO seen
    FROM endpoint e WHERE e.tenant_id = p_tenant AND e.id = p_endpoint AND e.enabled FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    is_too_long := may_tell AND coalesce(seen.failing_since <= now() - p_disabled_after, false);
    facts := jsonb_build_object('endpoint_id', p_endpoint, 'url', seen.url, 'failing_since',
        to_char(coalesce(seen.failing_since, now()) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
    IF p_is_gone OR is_too_long THEN
        UPDATE endpoint e
        SET enabled = false, disabled_at = now(), disabled_by = CASE WHEN p_is_gone THEN 'gone' ELSE 'failing' END,
            failing_since = coalesce(e.failing_since, now()), updated_at = now()
        WHERE e.tenant_id = p_tenant AND e.id = p_endpoint;
        PERFORM event_append(p_tenant, 6::smallint, p_endpoint,
            facts || jsonb_build_object('disabled_by', CASE WHEN p_is_gone THEN 'gone' ELSE 'failing' END));
        INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object, detail)
        VALUES (p_audit_event, p_tenant, 'service', 'webhooks', 'endpoint.disabled', p_endpoint,
            jsonb_build_object('disabled_by', CASE WHEN p_is_gone THEN 'gone' ELSE 'failing' END));
        RETURN true;
    END IF;
    may_tell := may_tell AND seen.failing_told_at IS NULL;
    UPDATE endpoint e
    SET failing_since = coalesce(e.failing_since, now()), failing_told_at = CASE WHEN may_tell THEN now() ELSE e.failing_told_at END
    WHERE e.tenant_id = p_tenant AND e.id = p_endpoint;
    IF may_tell THEN
        PERFORM event_append(p_tenant, 5::smallint, p_endpoint, facts);
    END IF;
    RETURN false;
END $$;
