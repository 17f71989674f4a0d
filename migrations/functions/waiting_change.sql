-- Purpose. Change a task that waits: its priority, its time and its tags. A task that waits for others has its row in held.
-- Parameters. p_tenant, p_task: the task. p_priority: null keeps it. p_sets_time: whether p_scheduled_at replaces the time from
--   which the task may run; a time in the past or null means at once. p_tags: null keeps them.
-- Returns. One row with the task as it is now if it waits. is_due: it may run now.
-- Locks. tenant_slots in a statement of its own, then held, backlog and task.
-- Called by. app/tasks/change_store.py.
CREATE OR REPLACE FUNCTION waiting_change(
    p_tenant uuid, p_task uuid, p_priority smallint, p_sets_time boolean, p_scheduled_at timestamptz, p_tags text[]
)
RETURNS TABLE (
    status text, priority integer, tags text[], scheduled_at timestamptz, due_at timestamptz, pool text, is_due boolean
)
LANGUAGE plpgsql
SET enable_sort = off
AS $$
#variable_conflict use_column
BEGIN
    -- Slots come first, as in every claim and end, so the task cannot start or end meanwhile. It is a statement of its own,
    -- because only a statement that begins after the lock sees what the last holder has written.
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    IF (SELECT s.features & 4 <> 0 FROM tenant_slots s WHERE s.tenant_id = p_tenant) THEN
        UPDATE held h
        SET priority = coalesce(p_priority, h.priority),
            due_at = CASE WHEN NOT p_sets_time THEN h.due_at WHEN p_scheduled_at > now() THEN p_scheduled_at
                          ELSE least(h.due_at, now()) END
        WHERE h.tenant_id = p_tenant AND h.task_id = p_task;
    END IF;
    RETURN QUERY
    WITH placed AS (
        -- Changes the row of the backlog, by which claims choose. It is found by the key alone (see waiting_revoke). A task
        -- that is due already keeps its place in the order. is_scheduled stays true: the dispatcher looks at the time.
        UPDATE backlog b
        SET priority = coalesce(p_priority, b.priority),
            due_at = CASE WHEN NOT p_sets_time THEN b.due_at WHEN p_scheduled_at > now() THEN p_scheduled_at
                          ELSE least(b.due_at, now()) END,
            is_scheduled = b.is_scheduled OR (p_sets_time AND coalesce(p_scheduled_at > now(), false))
        FROM (
            SELECT w.ctid AS row_place FROM backlog w
            WHERE w.tenant_id = p_tenant AND w.task_id >= p_task AND w.task_id <= p_task
            ORDER BY w.task_id LIMIT 1
        ) AS found
        WHERE b.ctid = found.row_place
    )
    -- The same values for the task. A time in the future is kept in scheduled_at, as by a submit.
    UPDATE task k
    SET priority = coalesce(p_priority, k.priority), tags = coalesce(p_tags, k.tags),
        due_at = CASE WHEN NOT p_sets_time THEN k.due_at WHEN p_scheduled_at > now() THEN p_scheduled_at
                      ELSE least(k.due_at, now()) END,
        scheduled_at = CASE WHEN NOT p_sets_time THEN k.scheduled_at WHEN p_scheduled_at > now() THEN p_scheduled_at END
    WHERE k.tenant_id = p_tenant AND k.id = p_task AND k.status IN ('PENDING', 'RETRY')
    RETURNING k.status, k.priority::integer, k.tags, k.scheduled_at, k.due_at, k.pool, k.due_at <= now();
END $$;
