-- Purpose. Store a person with a first password, unless the person is known.
-- Parameters. p_email: in lower case. p_hash: the hash of the first password, which somebody else may know.
-- Returns. True if the person is new. The password of a known person is not changed.
-- Locks. The row of person.
-- Called by. app/accounts/member_store.py.
CREATE OR REPLACE FUNCTION person_enter(p_email text, p_hash text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO person (email, password_hash, password_is_initial) VALUES (p_email, p_hash, true)
    ON CONFLICT (email) DO NOTHING;
    RETURN FOUND;
END $$;
