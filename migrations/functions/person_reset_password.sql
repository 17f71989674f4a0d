-- Purpose. Give a person a new initial password, which somebody else knows until the person has changed it.
-- Parameters. p_email: in lower case. p_hash: the hash of the password.
-- Returns. Nothing. All tokens and sessions of the person end.
-- Locks. The row of person; also auth_epoch, by a trigger.
-- Called by. app/accounts/person_store.py.
CREATE OR REPLACE FUNCTION person_reset_password(p_email text, p_hash text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE person SET password_hash = p_hash, password_is_initial = true, version = version + 1 WHERE email = p_email;
$$;
