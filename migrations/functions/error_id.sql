-- Purpose. Return the id of an error. It is computed, so that the same failures always get the same id.
-- Parameters. p_tenant: the tenant. p_task: name of the task type. p_fingerprint: the fingerprint of the failures.
-- Returns. The id: a UUID of version 8, of a hash.
-- Locks. None.
-- Called by. errors_roll_up.
CREATE OR REPLACE FUNCTION error_id(p_tenant uuid, p_task text, p_fingerprint uuid)
RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (substr(h.hash, 1, 12) || '8' || substr(h.hash, 14, 3) || '8' || substr(h.hash, 18, 15))::uuid
    FROM (
        SELECT encode(sha256(convert_to(concat_ws(' ', p_tenant, p_task, p_fingerprint), 'UTF8')), 'hex') AS hash
    ) AS h
$$;
