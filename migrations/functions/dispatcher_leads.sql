-- Purpose. Tell whether the dispatcher with this token leads at this moment: by the clock, not by the transaction's
--   beginning. Each sweep asks in the statement that changes something, so that a leader which stood still changes
--   nothing when it goes on.
-- Parameters. p_token: the token of its lease.
-- Returns. Whether it leads.
-- Locks. None.
-- Called by. app/tasks/store.py, app/tasks/sweep_store.py, app/quotas/store.py, app/dispatch/slot_store.py.
CREATE OR REPLACE FUNCTION dispatcher_leads(p_token uuid)
RETURNS boolean
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM dispatcher_lease l WHERE l.token = p_token AND l.expires_at > clock_timestamp())
$$;
