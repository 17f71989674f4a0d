-- End an attempt by compare-and-set on its claim token. p_status is the task's next status: SUCCESS, FAILURE or
-- REVOKED for good; RETRY or PENDING to wait again for p_delay. Returns
--   'ended'    the row changed now,
--   'already'  this very token has ended it before (a repeat after an unknown commit),
--   'fenced'   the attempt was taken away: nothing changed.
CREATE FUNCTION task_finish(p_tenant uuid, p_task uuid, p_token uuid, p_status text, p_attempt_status text,
                            p_result jsonb, p_error jsonb, p_progress jsonb, p_delay interval)
    RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ended task%ROWTYPE;
    is_final boolean := p_status IN ('SUCCESS', 'FAILURE', 'REVOKED');
BEGIN
    PERFORM set_config('app.tenant_ids', format('{%s}', p_tenant), true);
    UPDATE task k
        SET status = p_status, error = p_error,
            failed_attempts = k.failed_attempts + (p_attempt_status = 'FAILURE')::integer,
            due_at = CASE WHEN is_final THEN k.due_at ELSE now() + p_delay END,
            finished_at = CASE WHEN is_final THEN now() END
        WHERE k.tenant_id = p_tenant AND k.id = p_task AND k.claim_token = p_token AND k.status = 'STARTED'
        RETURNING * INTO ended;
    IF NOT FOUND THEN
        PERFORM 1 FROM attempt a
            WHERE a.tenant_id = p_tenant AND a.task_id = p_task AND a.claim_token = p_token
              AND a.status = p_attempt_status;
        RETURN CASE WHEN FOUND THEN 'already' ELSE 'fenced' END;
    END IF;
    UPDATE attempt a
        SET status = p_attempt_status, error = p_error, progress = coalesce(p_progress, a.progress), finished_at = now()
        WHERE a.tenant_id = p_tenant AND a.task_id = p_task AND a.attempt = ended.attempt;
    IF p_status = 'SUCCESS' THEN
        INSERT INTO result (tenant_id, task_id, result) VALUES (p_tenant, p_task, coalesce(p_result, 'null'));
    ELSIF NOT is_final THEN
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
            VALUES (p_tenant, p_task, ended.pool, ended.priority, ended.due_at, true, NULL);
    END IF;
    UPDATE tenant_slots s SET running = s.running - 1 WHERE s.tenant_id = p_tenant;
    RETURN 'ended';
END $$;
