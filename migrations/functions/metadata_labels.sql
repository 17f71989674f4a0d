-- Purpose. Return what a task is found by in the index of metadata: a hash for each key with its value. The tenant is part of it,
--   so that a look-up reads none of another tenant's tasks.
-- Parameters. p_tenant: the tenant. p_metadata: a JSON object of texts, whose keys have no colon.
-- Returns. The hashes; null without metadata.
-- Locks. None.
-- Called by. tasks_accept, task_accept, tasks_with_label.
CREATE OR REPLACE FUNCTION metadata_labels(p_tenant uuid, p_metadata jsonb)
RETURNS uuid[]
LANGUAGE sql IMMUTABLE STRICT
AS $$
    SELECT array_agg(substr(sha256(convert_to(concat_ws(':', p_tenant, m.key, m.value), 'UTF8'))::text, 3, 32)::uuid)
    FROM jsonb_each_text(p_metadata) AS m
$$;
