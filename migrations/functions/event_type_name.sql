-- Purpose. Return the name of an event's type.
-- Parameters. p_type: event.type.
-- Returns. The name that clients see.
-- Locks. None.
-- Called by. webhook_body, event_body, webhook_fan_out, events_page.
CREATE OR REPLACE FUNCTION event_type_name(p_type smallint)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE p_type WHEN 1 THEN 'task.succeeded' WHEN 2 THEN 'task.failed' WHEN 3 THEN 'task.revoked'
           WHEN 4 THEN 'task.retrying' WHEN 5 THEN 'endpoint.failing' WHEN 6 THEN 'endpoint.disabled'
           WHEN 7 THEN 'quota.reached' WHEN 8 THEN 'key.expiring' WHEN 9 THEN 'schedule.skipped' END
$$;
