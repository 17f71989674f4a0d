-- Purpose. Return whether the dispatcher with this token leads at this moment. The clock counts, not the beginning of the
--   transaction. Each sweep calls this in the statement that changes something. So a leader that was suspended for longer
--   than its lease changes nothing when it continues.
-- Parameters. p_token: the token of its lease.
-- Returns. True if it leads.
-- Locks. None.
-- Called by. app/tasks/store.py, app/tasks/sweep_store.py, app/quotas/store.py, app/events/store.py,
--   app/dispatch/slot_store.py, app/dispatch/key_store.py, app/operations/store.py, app/stats/store.py, operation_advance.
CREATE OR REPLACE FUNCTION dispatcher_leads(p_token uuid)
RETURNS boolean
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM dispatcher_lease l WHERE l.token = p_token AND l.expires_at > clock_timestamp())
$$;
