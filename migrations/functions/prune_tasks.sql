-- Purpose. Delete a tenant's oldest tasks that ended before a time, with all that belongs to them. Ids carry their
--   time, so what is older is found by the key; what has not ended stays for ever,
--   and what has a webhook_url stays until its tenant's events have become deliveries.
-- Parameters. p_tenant: the tenant. p_before: a time; one within the tenant's retention counts as the retention's
--   end, since no caller may delete what is kept. p_limit: tasks.
-- Returns. How many tasks went.
-- Locks. task, skipping rows that somebody holds; then the rows that it deletes.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    oldest_kept timestamptz;
    is_behind boolean;
    pruned uuid[];
    delivered uuid[];
BEGIN
    SELECT least(p_before, now() - make_interval(
        days => coalesce((t.limits ->> 'retention_days')::integer, plan_retention_days(t.plan))))
    INTO oldest_kept FROM tenant t WHERE t.id = p_tenant;
    -- A delivery that is not made yet takes its body from the task.
    SELECT s.webhook_seq > coalesce((SELECT c.seq FROM webhook_cursor c WHERE c.tenant_id = p_tenant), 0) INTO is_behind
    FROM tenant_slots s WHERE s.tenant_id = p_tenant;
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(oldest_kept) AND k.finished_at < oldest_kept
          AND (k.webhook_url IS NULL OR is_behind IS NOT TRUE)
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    SELECT array_agg(old.id) INTO delivered FROM (
        SELECT d.id FROM delivery d
        WHERE d.tenant_id = p_tenant AND d.id < partition_bound(oldest_kept) AND d.finished_at < oldest_kept
        ORDER BY d.id LIMIT p_limit
    ) AS old;
    DELETE FROM delivery d WHERE d.tenant_id = p_tenant AND d.id = ANY(delivered) AND d.finished_at < oldest_kept;
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;
