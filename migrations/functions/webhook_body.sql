-- Purpose. Return the body of an event about a task. Exactly these bytes are stored, signed and sent with every
--   attempt. The result is copied as the text that is stored.
-- Parameters. p_type: event.type. p_id, p_task, p_status, p_error, p_attempt, p_tags, p_finished_at: the columns of the
--   ended task; of a task that goes on, RETRY with the attempt that failed and the time of the event. p_result: the text of its result, null for none. p_is_erased: the result was erased.
-- Returns. JSON (app/webhooks/schemas.py: TaskEvent). A result of more than 64 KiB is left out, and so is one that was erased:
--   then result is null and result_omitted is true.
-- Locks. None.
-- Called by. event_body, task_erase.
CREATE OR REPLACE FUNCTION webhook_body(
    p_type smallint, p_id uuid, p_task text, p_status text, p_error jsonb, p_attempt integer, p_tags text[],
    p_finished_at timestamptz, p_result text, p_is_erased boolean DEFAULT false
)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT concat(
        '{"type":"', event_type_name(p_type), '","timestamp":"',
        to_char(p_finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        '","data":{"task_id":"', p_id, '","task":', to_json(p_task), ',"status":"', p_status, '",',
        CASE WHEN p_status <> 'SUCCESS' THEN '"error":' || coalesce(p_error::text, 'null')
             WHEN p_is_erased OR octet_length(p_result) > 65536 THEN '"result":null,"result_omitted":true'
             ELSE '"result":' || coalesce(p_result, 'null') END,
        ',"attempt_count":', p_attempt, ',"tags":', to_json(p_tags), '}}')
$$;
