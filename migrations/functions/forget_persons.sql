-- Purpose. Delete the persons whose last membership was deleted, so that no address and no password of them stays.
-- Parameters. None; the transition table gone has the deleted rows of member.
-- Returns. Null, because it is a trigger.
-- Locks. The rows of person, in the order of addresses.
-- Called by. a trigger of member.
CREATE OR REPLACE FUNCTION forget_persons()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    -- A statement of its own: of two transactions that delete a person's last two memberships, the second waits here,
    -- and its next statement sees what the first has deleted.
    PERFORM FROM person p WHERE p.email IN (SELECT g.email FROM gone g) ORDER BY p.email FOR UPDATE;
    DELETE FROM person p WHERE p.email IN (SELECT g.email FROM gone g)
        AND NOT EXISTS (SELECT FROM member m WHERE m.email = p.email);
    RETURN NULL;
END $$;
