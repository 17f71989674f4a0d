-- Purpose. Return the type of the event that a task's new status is.
-- Parameters. p_status: the task's status after an attempt, a cancel or an expiry.
-- Returns. The number that event.type has; null for PENDING, since an attempt that was taken away, or given back, is
--   no event.
-- Locks. None.
-- Called by. attempts_finish, waiting_revoke.
CREATE OR REPLACE FUNCTION event_type(p_status text)
RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE p_status WHEN 'SUCCESS' THEN 1 WHEN 'FAILURE' THEN 2 WHEN 'REVOKED' THEN 3 WHEN 'RETRY' THEN 4
            END)::smallint
$$;
