-- Purpose. Increase the auth epoch, so that every process forgets the callers that it remembers.
-- Parameters. None.
-- Returns. Null, because it is a trigger.
-- Locks. The one row of auth_epoch.
-- Called by. triggers of tenant, api_key, person, member, console_session and revoked_token.
CREATE OR REPLACE FUNCTION bump_auth_epoch()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE auth_epoch SET epoch = epoch + 1;
    RETURN NULL;
END $$;
