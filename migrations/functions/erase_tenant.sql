-- Purpose. Erase a part of a tenant that is marked deleted. When none of its large tables has a row left, the tenant
--   itself goes, with its keys, members, secrets, slots and usage.
-- Parameters. p_tenant: the tenant. p_limit: rows of each table.
-- Returns. How many rows went, by table; then the name tenant.
-- Locks. The row of tenant, then the rows that it deletes.
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
    PERFORM FROM tenant t WHERE t.id = p_tenant AND t.status = 'deleted' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenant % is not marked deleted', p_tenant USING ERRCODE = 'TQ003';
    END IF;
    FOR going IN SELECT * FROM (VALUES
        ('backlog', 'task_id'), ('event', 'seq'), ('delivery', 'id'), ('result', 'task_id'),
        ('attempt', 'task_id, attempt'), ('task', 'id'), ('idempotency_key', 'key'), ('audit_event', 'id')) AS v (relation, key)
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
