-- Purpose. Decide about held tasks by the tasks that they wait for: count those that have not ended, free a task that waits for
--   none, and mark one whose condition can no longer hold. A submit does it once for its own tasks; the dispatcher does it for
--   tasks whose row is wrong.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner. p_tasks: the tasks; those that are not held are left out.
-- Returns. The tasks whose row was not as it should be.
-- Locks. tenant_slots in a statement of its own, then held, backlog and task.
-- Called by. tasks_hold, app/tasks/held_store.py.
CREATE OR REPLACE FUNCTION held_settle(p_tenant uuid, p_tasks uuid[])
RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    wrong uuid[];
    free uuid[];
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    -- A statement of its own: only one that begins after the lock sees which tasks have ended.
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    WITH counted AS MATERIALIZED (
        -- LATERAL with LIMIT: each row is found by its key, whatever the statistics say.
        SELECT u.task_id, n.remaining, n.broken_by
        FROM unnest(p_tasks) AS u (task_id) CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE k.finished_at IS NULL)::integer AS remaining,
                (array_agg(d.upstream_id) FILTER (WHERE k.finished_at IS NOT NULL AND NOT dependency_met(d.need, k.status)))[1] AS broken_by
            FROM dependency d CROSS JOIN LATERAL (
                SELECT t.status, t.finished_at FROM task t WHERE t.tenant_id = p_tenant AND t.id = d.upstream_id LIMIT 1
            ) AS k
            WHERE d.tenant_id = p_tenant AND d.downstream_id = u.task_id
        ) AS n
    ), changed AS (
        UPDATE held h SET remaining = c.remaining, doomed_by = c.broken_by FROM counted c
        WHERE (h.tenant_id, h.task_id) >= (p_tenant, c.task_id) AND (h.tenant_id, h.task_id) <= (p_tenant, c.task_id)
          AND h.task_id = c.task_id AND h.doomed_by IS NULL
          AND (h.remaining <> c.remaining OR c.remaining = 0 OR c.broken_by IS NOT NULL)
        RETURNING h.task_id, h.remaining, h.doomed_by
    )
    SELECT array_agg(c.task_id), array_agg(c.task_id) FILTER (WHERE c.remaining = 0 AND c.doomed_by IS NULL)
    INTO wrong, free FROM changed c;
    IF free IS NOT NULL THEN
        PERFORM held_free(p_tenant, free);
    END IF;
    RETURN QUERY SELECT unnest(wrong);
END $$;
