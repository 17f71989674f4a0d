-- Purpose. Make the body of a delivery that was skipped before it had one.
-- Parameters. p_tenant: the tenant. p_seq, p_event: number and id of the event. p_type: the name of its type. p_task: the task, null
--   for an event that is about none.
-- Returns. The body; null if the task, or an event about something else, is not kept any more.
-- Locks. The task, FOR SHARE, if it has ended: it is not erased before this transaction ends (task_erase looks for deliveries after
--   it has locked the task). A task that still runs is not locked, because an end locks several tasks in an order of its own.
-- Called by. deliveries_resend.
CREATE OR REPLACE FUNCTION delivery_body(p_tenant uuid, p_seq bigint, p_event uuid, p_type text, p_task uuid)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    e record;
BEGIN
    PERFORM FROM task t WHERE t.tenant_id = p_tenant AND t.id = p_task AND t.finished_at IS NOT NULL FOR SHARE;
    -- The task itself has its end, and it may be kept for longer than the event.
    IF p_type IN (event_type_name(1::smallint), event_type_name(2::smallint), event_type_name(3::smallint)) THEN
        RETURN (
            SELECT event_body(p_tenant, event_type(t.status), t.id, t.attempt, t.finished_at, NULL)
            FROM task t WHERE t.tenant_id = p_tenant AND t.id = p_task AND event_type_name(event_type(t.status)) = p_type
        );
    END IF;
    -- The id is compared, because a database that was set back has another event with this number.
    SELECT w.* INTO e FROM event w
    WHERE w.tenant_id = p_tenant AND w.seq = p_seq
      AND event_id(w.tenant_id, w.seq, w.type, w.subject, w.created_at) = p_event
    LIMIT 1;
    IF NOT FOUND THEN RETURN NULL; END IF;
    RETURN event_body(p_tenant, e.type, e.subject, e.attempt, e.created_at, e.data);
END $$;
