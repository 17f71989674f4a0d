-- Purpose. End a task that waits, because its tenant cancels it or because it has not started in time.
-- Parameters. p_tenant, p_task: the task. p_error: a JSON object. p_is_expiry: true ends the task only if its time to start
--   has passed, and does not record a cancel.
-- Returns. One row with the new status and the task type if the task waited and has ended now.
-- Locks. tenant_slots in a statement of its own, then backlog, task and held.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION waiting_revoke(p_tenant uuid, p_task uuid, p_error jsonb, p_is_expiry boolean)
RETURNS TABLE (status text, task text)
LANGUAGE plpgsql
SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    has_held boolean;
BEGIN
    -- Slots come first, as in every claim and end: another order could deadlock. It is a statement of its own, because only a
    -- statement that begins after the lock sees what the last holder has written.
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    SELECT s.features & 4 <> 0 INTO has_held FROM tenant_slots s WHERE s.tenant_id = p_tenant;
    IF has_held AND EXISTS (
        SELECT FROM held h WHERE h.tenant_id = p_tenant AND h.task_id = p_task AND (NOT p_is_expiry OR h.expires_at <= now())
    ) THEN
        -- A task that waits for others is ended like any other: it is put into the backlog, from which it is taken below.
        PERFORM held_free(p_tenant, ARRAY[p_task]);
    END IF;
    RETURN QUERY
    WITH taken AS (
        -- Deletes the row of the backlog, which gives the right to end the task. ORDER BY, with sorts off (see above), lets
        -- only the key answer. With two equalities, the index of due work may look as good, and it reads everything that the
        -- tenant has waiting (docs/decisions/0010-plans-whatever-statistics-know.md). LIMIT 1 and ctid: one row, by its place.
        DELETE FROM backlog b USING (
            SELECT w.ctid AS row_place FROM backlog w
            WHERE w.tenant_id = p_tenant AND w.task_id >= p_task AND w.task_id <= p_task
              AND (NOT p_is_expiry OR w.expires_at <= now())
            ORDER BY w.task_id LIMIT 1
        ) AS found
        WHERE b.ctid = found.row_place
        RETURNING b.task_id
    ), ended AS (
        UPDATE task k
        SET status = 'REVOKED', error = p_error || jsonb_build_object('attempt', k.attempt), finished_at = now(),
            cancel_requested_at = CASE WHEN p_is_expiry THEN NULL ELSE now() END
        -- Finds the task by its key. Joined with taken, a plan may read every task of the tenant.
        WHERE k.tenant_id = p_tenant AND k.id = p_task AND EXISTS (SELECT FROM taken)
        RETURNING k.id, k.status, k.task, k.attempt, k.webhook_url IS NOT NULL AS has_webhook
    ), counted AS (
        -- Counts that a task has left the backlog, and takes a number for the event. There is one if the tenant has a log
        -- or endpoints (features bits 1 and 2), or the task has a webhook_url. Endpoints get every event.
        UPDATE tenant_slots s
        SET departed = s.departed + 1,
            event_seq = s.event_seq + (s.features & 3 <> 0 OR c.has_webhook)::integer,
            webhook_seq = CASE WHEN s.features & 2 <> 0 OR c.has_webhook THEN s.event_seq + 1 ELSE s.webhook_seq END
        FROM (SELECT coalesce(bool_or(e.has_webhook), false) AS has_webhook FROM ended e) AS c
        WHERE s.tenant_id = p_tenant AND EXISTS (SELECT FROM taken)
        RETURNING s.event_seq, s.features & 3 <> 0 OR c.has_webhook AS is_logged, s.features & 2 <> 0 OR c.has_webhook AS is_sent
    ), logged AS (
        -- Writes the event with the number that was taken. The row of the slots stays locked until the commit, so numbers have
        -- no gaps and become visible in their order (docs/decisions/0014-event-log.md).
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
        SELECT p_tenant, c.event_seq, event_type(e.status), e.id, e.attempt,
            CASE WHEN c.is_sent THEN c.event_seq END
        FROM ended e, counted c WHERE c.is_logged
    )
    SELECT e.status, e.task FROM ended e;
    -- FOUND: the task has ended here. Others may wait for that.
    IF FOUND AND has_held AND (SELECT k.gates & 1 <> 0 FROM task k WHERE k.tenant_id = p_tenant AND k.id = p_task) THEN
        PERFORM held_release(p_tenant, ARRAY[p_task]);
    END IF;
END $$;
