-- Purpose. Erase a part of a tenant that is marked deleted. When its large tables have no rows left, erase the tenant itself,
--   with its keys, members, secrets, slots and usage.
-- Parameters. p_tenant: the tenant. p_limit: the maximum number of rows of each table.
-- Returns. How many rows were erased from each table; at the end a row with the name tenant.
-- Locks. The row of tenant, then the rows that it deletes; with the tenant itself also auth_epoch, by a trigger.
-- Called by. app/admin/offboarding_store.py.
CREATE OR REPLACE FUNCTION erase_tenant(p_tenant uuid, p_limit integer)
RETURNS TABLE (name text, erased bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    going record;
    total bigint := 0;
BEGIN
    -- While this lock is held, nothing that refers to the tenant can be inserted: a foreign key needs to share the row.
    PERFORM FROM tenant t WHERE t.id = p_tenant AND t.status = 'deleted' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenant % is not marked deleted', p_tenant USING ERRCODE = 'TQ003';
    END IF;
    -- The large tables, in batches: one transaction for all rows would be too long. Most of them have no foreign key
    -- to tenant, so no cascade would erase their rows.
    FOR going IN SELECT * FROM (VALUES
        ('backlog', 'task_id'), ('lease', 'task_id'), ('held', 'task_id'), ('dependency', 'upstream_id, downstream_id'),
        ('event', 'seq'), ('delivery', 'id'),
        ('webhook_stat', 'bucket, at, endpoint_id, event_type, status_class'), ('result', 'task_id'),
        ('task_log', 'task_id, attempt, seq'), ('attempt', 'task_id, attempt'), ('worker_time', 'id'), ('task', 'id'),
        ('error_seen', 'id'), ('error_task', 'task_id'),
        ('stat', 'minutes, starts_at, task'),
        ('idempotency_key', 'key'), ('schedule_fire', 'schedule_id, fire_at'), ('audit_event', 'id')) AS v (relation, key)
    LOOP
        EXECUTE format(
            'DELETE FROM %1$I WHERE tenant_id = $1 AND (%2$s) IN (SELECT %2$s FROM %1$I WHERE tenant_id = $1 LIMIT $2)',
            going.relation, going.key) USING p_tenant, p_limit;
        GET DIAGNOSTICS erased = ROW_COUNT;
        total := total + erased;
        name := going.relation;
        IF erased > 0 THEN RETURN NEXT; END IF;
    END LOOP;
    IF total = 0 THEN
        -- The small tables are erased by the cascade of the last DELETE. Their rows are counted first, for the answer.
        FOR going IN SELECT c.relname AS relation FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
            WHERE f.contype = 'f' AND f.confrelid = 'tenant'::regclass AND c.relkind = 'r' AND NOT c.relispartition
            ORDER BY c.relname
        LOOP
            EXECUTE format('SELECT count(*) FROM %I WHERE tenant_id = $1', going.relation) INTO erased USING p_tenant;
            name := going.relation;
            IF erased > 0 THEN RETURN NEXT; END IF;
        END LOOP;
        DELETE FROM tenant t WHERE t.id = p_tenant;
        name := 'tenant';
        erased := 1;
        RETURN NEXT;
    END IF;
END $$;
