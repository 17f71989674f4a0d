-- A tenant that leaves. Both functions act on one that is marked deleted only: by then nothing of it starts.

-- Ask each of its running tasks to end; return their ids.
CREATE FUNCTION cancel_tenant(p_tenant uuid) RETURNS SETOF uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
    UPDATE task k SET cancel_requested_at = coalesce(k.cancel_requested_at, now())
    FROM attempt a, tenant t
    WHERE t.id = p_tenant AND t.status = 'deleted' AND a.tenant_id = t.id AND a.finished_at IS NULL
      AND k.tenant_id = a.tenant_id AND k.id = a.task_id AND k.status = 'STARTED'
    RETURNING k.id
$$;

-- Erase up to p_limit rows of each table; return how many went, by table. When none is left the tenant itself goes,
-- and with it its keys, members, secrets, slots and usage: then the answer names `tenant`.
CREATE FUNCTION erase_tenant(p_tenant uuid, p_limit integer) RETURNS TABLE (name text, erased bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    going record;
    total bigint := 0;
BEGIN
    PERFORM FROM tenant t WHERE t.id = p_tenant AND t.status = 'deleted' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenant % is not marked deleted', p_tenant USING ERRCODE = 'TQ003';
    END IF;
    FOR going IN SELECT * FROM (VALUES
        ('backlog', 'task_id'), ('delivery', 'id'), ('result', 'task_id'), ('attempt', 'task_id, attempt'),
        ('task', 'id'), ('idempotency_key', 'key'), ('audit_event', 'id')) AS v (relation, key)
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
REVOKE ALL ON FUNCTION cancel_tenant, erase_tenant FROM public;
GRANT EXECUTE ON FUNCTION cancel_tenant, erase_tenant TO tq_admin;
