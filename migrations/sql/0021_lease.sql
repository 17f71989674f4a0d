-- Who leads among the dispatchers: one row, taken and renewed by single statements, so that no session is needed to hold it.
CREATE TABLE dispatcher_lease (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    holder text NOT NULL DEFAULT '',
    token uuid NOT NULL DEFAULT gen_random_uuid(),
    expires_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO dispatcher_lease DEFAULT VALUES;
GRANT SELECT, UPDATE ON dispatcher_lease TO tq_dispatch;

-- Purpose: whether the dispatcher with this token leads at this moment, by the clock and not by the transaction's beginning: each
-- sweep asks in the statement that changes something, so that a leader which stood still changes nothing when it goes on.
-- p_token: the token of its lease. Locks: none. Called by: app/tasks/sweep_store.py, app/tasks/store.py, app/quotas/store.py.
CREATE FUNCTION dispatcher_leads(p_token uuid) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM dispatcher_lease l WHERE l.token = p_token AND l.expires_at > clock_timestamp())
$$;
REVOKE ALL ON FUNCTION dispatcher_leads FROM public;
GRANT EXECUTE ON FUNCTION dispatcher_leads TO tq_dispatch, tq_worker;
