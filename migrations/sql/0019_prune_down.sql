-- Delete up to p_limit of a tenant's tasks that ended before p_before, oldest first, with all that belongs to them;
-- returns how many. Ids carry their time, so what is older is found by the key; what has not ended stays for ever.
CREATE OR REPLACE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    pruned uuid[];
BEGIN
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(p_before) AND k.finished_at < p_before
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    DELETE FROM delivery d WHERE (d.tenant_id, d.id) IN (
        SELECT o.tenant_id, o.id FROM delivery o
        WHERE o.tenant_id = p_tenant AND o.id < partition_bound(p_before) AND o.finished_at < p_before
        ORDER BY o.id LIMIT p_limit
    );
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;
