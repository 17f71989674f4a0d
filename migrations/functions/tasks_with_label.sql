-- Purpose. Find the tasks of a tenant that have a key of metadata with a value, by the index of metadata alone.
-- Parameters. p_tenant: the tenant. It must be one of the transaction (app.tenant_ids), because this function runs as the owner:
--   under row-level security an index of arrays cannot answer. p_metadata: a JSON object with the key and its value. p_first, p_last: the bounds of ids,
--   without p_last. p_limit: the most ids.
-- Returns. The ids, in no order.
-- Locks. None.
-- Called by. app/tasks/read/metadata_store.py.
CREATE OR REPLACE FUNCTION tasks_with_label(
    p_tenant uuid, p_metadata jsonb, p_first uuid, p_last uuid, p_limit integer
)
RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    wanted uuid[] := metadata_labels(p_tenant, p_metadata);
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    -- IS TRUE hides these conditions from the planner, so that no statistics can make it read all tasks of the tenant by the
    -- primary key (docs/decisions/0010-plans-whatever-statistics-know.md).
    RETURN QUERY
        SELECT k.id FROM task k
        WHERE k.metadata_labels @> wanted AND k.metadata_labels IS NOT NULL
          AND (k.tenant_id = p_tenant AND k.id >= p_first AND k.id < p_last) IS TRUE
        LIMIT p_limit;
END $$;
