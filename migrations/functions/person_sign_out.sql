-- Purpose. End all tokens and sessions of a person, in every tenant.
-- Parameters. p_email: in lower case.
-- Returns. Nothing.
-- Locks. The row of person, then auth_epoch, by a trigger.
-- Called by. app/accounts/person_store.py.
CREATE OR REPLACE FUNCTION person_sign_out(p_email text)
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE person SET version = version + 1 WHERE email = p_email;
$$;
