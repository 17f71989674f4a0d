-- Purpose. Put held tasks of a tenant into its backlog, so that they may be claimed or ended like any waiting task.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner, whom row-level security lets see all. p_tasks: the tasks; those that are not held are left out.
-- Returns. How many were held.
-- Locks. tenant_slots in a statement of its own, then held, backlog and task.
-- Called by. held_release, held_settle, waiting_revoke.
CREATE OR REPLACE FUNCTION held_free(p_tenant uuid, p_tasks uuid[])
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    freed integer;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN 0; END IF;
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    WITH freed AS (
        -- Rows are compared so that only the key can answer, whatever the statistics say
        -- (docs/decisions/0010-plans-whatever-statistics-know.md).
        DELETE FROM held h USING unnest(p_tasks) AS u (task_id)
        WHERE (h.tenant_id, h.task_id) >= (p_tenant, u.task_id) AND (h.tenant_id, h.task_id) <= (p_tenant, u.task_id)
          AND h.task_id = u.task_id
        RETURNING h.*
    ), placed AS (
        -- is_scheduled: the dispatcher offers a ticket at that time, which is now or later.
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at, is_long)
        SELECT f.tenant_id, f.task_id, f.pool, f.priority, greatest(f.due_at, now()), true, f.expires_at, f.is_long FROM freed f
    ), due AS (
        -- Its wait begins now: the time before was spent by other tasks, and is not the platform's.
        UPDATE task k SET due_at = greatest(f.due_at, now()) FROM freed f
        WHERE (k.tenant_id, k.id) >= (p_tenant, f.task_id) AND (k.tenant_id, k.id) <= (p_tenant, f.task_id) AND k.id = f.task_id
    )
    SELECT count(*) INTO freed FROM freed f;
    RETURN freed;
END $$;
