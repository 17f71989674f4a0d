-- Purpose. Return the type of the event for a task's new status.
-- Parameters. p_status: the task's status after an attempt, a cancel or an expiry.
-- Returns. The number for event.type. Null for PENDING, because a lost or returned attempt is no event.
-- Locks. None.
-- Called by. attempt_finish, attempts_finish, waiting_revoke.
CREATE OR REPLACE FUNCTION event_type(p_status text)
RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE p_status WHEN 'SUCCESS' THEN 1 WHEN 'FAILURE' THEN 2 WHEN 'REVOKED' THEN 3 WHEN 'RETRY' THEN 4
            END)::smallint
$$;
