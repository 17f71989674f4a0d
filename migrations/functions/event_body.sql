-- Purpose. Return the body of an event as webhooks send it.
-- Parameters. p_tenant, p_type, p_subject, p_attempt, p_created_at, p_data: the columns of event.
-- Returns. JSON (app/webhooks/schemas.py: WebhookEvent); null if the event is about a task that does not exist any more.
-- Locks. None.
-- Called by. webhook_fan_out, delivery_body, events_replay.
CREATE OR REPLACE FUNCTION event_body(
    p_tenant uuid, p_type smallint, p_subject uuid, p_attempt integer, p_created_at timestamptz, p_data jsonb
)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    k record;
BEGIN
    IF p_type > 4 THEN
        RETURN concat('{"type":"', event_type_name(p_type), '","timestamp":"',
            to_char(p_created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '","data":', p_data, '}');
    END IF;
    -- LIMIT 1: the rows are found by their keys, whatever the statistics say.
    SELECT t.id, t.task, t.status, t.error, t.attempt, t.tags, t.finished_at, t.erased_at IS NOT NULL AS is_erased, coalesce(
        t.result, (SELECT r.result FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = p_subject LIMIT 1))::text AS result
    INTO k FROM task t WHERE t.tenant_id = p_tenant AND t.id = p_subject LIMIT 1;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF p_type = 4 THEN
        -- The task goes on after a failed attempt, so only the attempt says what the event was about.
        k.status := 'RETRY';
        k.finished_at := p_created_at;
        SELECT a.error INTO k.error FROM attempt a
        WHERE a.tenant_id = p_tenant AND a.task_id = p_subject AND a.attempt = p_attempt LIMIT 1;
        k.attempt := p_attempt;
    END IF;
    RETURN webhook_body(p_type, k.id, k.task, k.status, k.error, k.attempt, k.tags, k.finished_at, k.result, k.is_erased);
END $$;
