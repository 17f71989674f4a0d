-- Purpose. Erase what a task that has ended was about: payload, result, error, progress, tags, metadata, log lines and the errors of its
--   attempts. An error whose latest occurrence it is loses its message. Its id, type, status and times stay. Its deliveries
--   keep no result, tags, error or answer either: one that is still to be sent says result_omitted. A second call changes nothing.
-- Parameters. p_tenant, p_task: the task. p_tenant must be a tenant of the transaction (app.tenant_ids), because this function
--   runs as the owner, whom row-level security lets see all.
-- Returns. One row if the task exists, with the time at which it was erased; null if it has not ended.
-- Locks. webhook_cursor, then task, then the rows that it changes.
-- Called by. app/tasks/change_store.py.
CREATE OR REPLACE FUNCTION task_erase(p_tenant uuid, p_task uuid)
RETURNS TABLE (status text, erased_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    seen record;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    -- While this row is locked, nobody makes deliveries of the tenant's events (webhook_fan_out): all that were made before
    -- are visible below, and later ones read the erased task.
    INSERT INTO webhook_cursor (tenant_id) SELECT t.id FROM tenant t WHERE t.id = p_tenant ON CONFLICT DO NOTHING;
    PERFORM FROM webhook_cursor c WHERE c.tenant_id = p_tenant FOR UPDATE;
    SELECT k.status, k.erased_at INTO seen FROM task k WHERE k.tenant_id = p_tenant AND k.id = p_task FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    IF seen.status IN ('SUCCESS', 'FAILURE', 'REVOKED') AND seen.erased_at IS NULL THEN
        -- The only change of a task that has ended (refuse_terminal_change).
        UPDATE task k
        SET payload = 'null', error = NULL, result = NULL, progress = NULL, tags = '{}', metadata = NULL,
            metadata_labels = NULL, erased_at = now()
        WHERE k.tenant_id = p_tenant AND k.id = p_task
        RETURNING k.status, k.erased_at INTO seen;
        DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = p_task;
        DELETE FROM task_log l WHERE l.tenant_id = p_tenant AND l.task_id = p_task;
        UPDATE attempt a SET error = NULL
        WHERE a.tenant_id = p_tenant AND a.task_id = p_task AND a.error IS NOT NULL;
        -- After the attempts: errors_roll_up locks one while it copies its message, and what it has written is seen here.
        UPDATE task_error e SET message = NULL WHERE e.tenant_id = p_tenant AND e.last_task_id = p_task AND e.message IS NOT NULL;
        -- The rows stay, so that no event is delivered twice. IS TRUE lets only the index of tasks answer
        -- (docs/decisions/0010-plans-whatever-statistics-know.md).
        -- task.retrying is about an earlier attempt, so its body keeps that attempt and loses the rest.
        UPDATE delivery d
        SET body = CASE d.event_type WHEN 'task.retrying'
            THEN jsonb_set(jsonb_set(d.body::jsonb, '{data,error}', 'null'), '{data,tags}', '[]')::text
            ELSE webhook_body(event_type(k.status), k.id, k.task, k.status, k.error, k.attempt, k.tags, k.finished_at, NULL, true) END
        FROM task k
        WHERE d.task_id = p_task AND (d.tenant_id = p_tenant AND d.body IS NOT NULL) IS TRUE
          AND k.tenant_id = p_tenant AND k.id = p_task;
        -- What a receiver answered may repeat what it was sent.
        UPDATE delivery_attempt a SET response_body = NULL FROM (
            SELECT d.id FROM delivery d WHERE d.task_id = p_task AND (d.tenant_id = p_tenant) IS TRUE
        ) AS of_task
        WHERE a.tenant_id = p_tenant AND a.delivery_id = of_task.id AND a.response_body IS NOT NULL;
    END IF;
    status := seen.status;
    erased_at := seen.erased_at;
    RETURN NEXT;
END $$;
