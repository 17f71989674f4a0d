-- Purpose. Store the hash of a person's password.
-- Parameters. p_email: in lower case. p_hash: the hash. p_version: the version of the person that the caller has read.
--   p_is_new: true for a new password, which ends all tokens and sessions; false for the same one under newer parameters.
-- Returns. The version of the person afterwards; null if it has changed since the caller has read it.
-- Locks. The row of person; for a new password also auth_epoch, by a trigger.
-- Called by. app/accounts/person_store.py.
CREATE OR REPLACE FUNCTION person_set_password(p_email text, p_hash text, p_version integer, p_is_new boolean)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    reached integer;
BEGIN
    IF p_is_new THEN
        UPDATE person SET password_hash = p_hash, password_is_initial = false, version = version + 1
        WHERE email = p_email AND version = p_version RETURNING version INTO reached;
    ELSE
        UPDATE person SET password_hash = p_hash
        WHERE email = p_email AND version = p_version RETURNING version INTO reached;
    END IF;
    RETURN reached;
END $$;
