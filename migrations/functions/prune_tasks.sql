-- Purpose. Delete a tenant's oldest tasks that ended before a time, with their attempts, results and log lines, and old deliveries and
--   errors that were not seen since that time. Ids contain their time, so old rows are found by the key. A task that has not
--   ended stays. A task with events for a webhook_url or endpoints stays until the tenant's events have become deliveries.
-- Parameters. p_tenant: the tenant. p_before: a time. If it is within the tenant's retention, the end of the retention
--   counts instead, because no caller may delete what has to be kept. p_limit: the maximum number of tasks, and of deliveries.
-- Returns. How many tasks were deleted.
-- Locks. task, skipping rows that are locked; then the rows that it deletes.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    oldest_kept timestamptz;
    is_behind boolean;
    has_endpoints boolean;
    pruned uuid[];
    delivered uuid[];
BEGIN
    SELECT least(p_before, now() - make_interval(
        days => coalesce((t.limits ->> 'retention_days')::integer, plan_retention_days(t.plan))))
    INTO oldest_kept FROM tenant t WHERE t.id = p_tenant;
    -- Are there events without a delivery? A delivery takes its body from the task when it is made.
    SELECT s.webhook_seq > coalesce((SELECT c.seq FROM webhook_cursor c WHERE c.tenant_id = p_tenant), 0), s.features & 2 <> 0
    INTO is_behind, has_endpoints
    FROM tenant_slots s WHERE s.tenant_id = p_tenant;
    -- Rows are found first, then deleted by their keys: a join of a table with its own batch may read the whole table
    -- (docs/decisions/0010-plans-whatever-statistics-know.md). The bound of ids lets the key answer; finished_at decides.
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(oldest_kept) AND k.finished_at < oldest_kept
          AND (is_behind IS NOT TRUE OR (k.webhook_url IS NULL AND has_endpoints IS NOT TRUE))
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    -- Deliveries have their own retention, because they can end later than their task.
    SELECT array_agg(old.id) INTO delivered FROM (
        SELECT d.id FROM delivery d
        WHERE d.tenant_id = p_tenant AND d.id < partition_bound(oldest_kept) AND d.finished_at < oldest_kept
        ORDER BY d.id LIMIT p_limit
    ) AS old;
    -- The rows were not locked above, so finished_at is compared again.
    DELETE FROM delivery d WHERE d.tenant_id = p_tenant AND d.id = ANY(delivered) AND d.finished_at < oldest_kept;
    DELETE FROM task_error e WHERE e.tenant_id = p_tenant AND e.last_seen < oldest_kept;
    DELETE FROM error_task l WHERE l.tenant_id = p_tenant AND l.task_id = ANY(pruned);
    DELETE FROM dependency d WHERE d.tenant_id = p_tenant AND d.upstream_id = ANY(pruned);
    DELETE FROM dependency d WHERE d.tenant_id = p_tenant AND d.downstream_id = ANY(pruned);
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM task_log l WHERE l.tenant_id = p_tenant AND l.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;
