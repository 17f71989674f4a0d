-- Purpose. Decide whether an endpoint gets an event.
-- Parameters. p_types, p_tasks, p_tags: what the endpoint asks for (endpoint.event_types, filter_tasks and filter_tags). p_type:
--   event.type. p_task, p_task_tags: type and tags of the event's task; filters say nothing about an event that has none.
-- Returns. Whether it does.
-- Locks. None.
-- Called by. webhook_fan_out, events_missing.
CREATE OR REPLACE FUNCTION endpoint_wants(
    p_types text[], p_tasks text[], p_tags text[], p_type smallint, p_task text, p_task_tags text[]
)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT event_type_name(p_type) = ANY(p_types) AND (p_type > 4
        OR ((p_tasks IS NULL OR p_task = ANY(p_tasks)) AND (p_tags IS NULL OR p_task_tags && p_tags)))
$$;
