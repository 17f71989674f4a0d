-- End an attempt by compare-and-set on its claim token. p_status is the task's next status: SUCCESS, FAILURE or
-- REVOKED for good; RETRY or PENDING to wait again for p_delay, unless the tenant has asked for its end meanwhile:
-- then it ends REVOKED. What is returned says in `outcome`
--   'ended'    the row changed now, to `status`; finished_at is set when that is final,
--   'already'  this very token has ended it before (a repeat after an unknown commit),
--   'fenced'   the attempt was taken away: nothing changed.
-- `frees_slot`: the tenant had none before, so what waited for this very slot has no ticket.
-- What the code took of a worker is written as a row of its own, which the dispatcher adds to the day (usage_roll_up).
CREATE FUNCTION task_finish(p_tenant uuid, p_task uuid, p_token uuid, p_status text, p_attempt_status text,
                            p_result jsonb, p_error jsonb, p_progress jsonb, p_delay interval)
    RETURNS TABLE (outcome text, status text, task text, attempt integer, error jsonb, tags text[], webhook_url text,
                   finished_at timestamptz, frees_slot boolean)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ended task%ROWTYPE;
    began timestamptz;
    waits boolean := p_status IN ('RETRY', 'PENDING');
BEGIN
    PERFORM set_config('app.tenant_ids', format('{%s}', p_tenant), true);
    UPDATE task k
        SET status = CASE WHEN waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE p_status END,
            error = CASE WHEN waits AND k.cancel_requested_at IS NOT NULL
                         THEN '{"type": "Cancelled", "message": "cancelled on request"}' ELSE p_error END
                    || jsonb_build_object('attempt', k.attempt),
            failed_attempts = k.failed_attempts + (p_attempt_status = 'FAILURE')::integer,
            due_at = CASE WHEN waits THEN now() + p_delay ELSE k.due_at END,
            finished_at = CASE WHEN waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END
        WHERE k.tenant_id = p_tenant AND k.id = p_task AND k.claim_token = p_token AND k.status = 'STARTED'
        RETURNING * INTO ended;
    IF NOT FOUND THEN
        PERFORM 1 FROM attempt a
            WHERE a.tenant_id = p_tenant AND a.task_id = p_task AND a.claim_token = p_token
              AND a.status = p_attempt_status;
        outcome := CASE WHEN FOUND THEN 'already' ELSE 'fenced' END;
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE attempt a
        SET status = p_attempt_status, error = p_error || jsonb_build_object('attempt', ended.attempt),
            progress = coalesce(p_progress, a.progress), finished_at = now()
        WHERE a.tenant_id = p_tenant AND a.task_id = p_task AND a.attempt = ended.attempt
        RETURNING a.started_at INTO began;
    IF p_attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') THEN
        INSERT INTO worker_time (tenant_id, day, task, seconds)
            VALUES (p_tenant, (now() AT TIME ZONE 'UTC')::date, ended.task, extract(epoch FROM now() - began));
    END IF;
    IF ended.status = 'SUCCESS' THEN
        INSERT INTO result (tenant_id, task_id, result) VALUES (p_tenant, p_task, coalesce(p_result, 'null'));
    ELSIF ended.finished_at IS NULL THEN
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
            VALUES (p_tenant, p_task, ended.pool, ended.priority, ended.due_at, true, NULL);
    END IF;
    UPDATE tenant_slots s
        SET running = s.running - 1, returned = s.returned + (ended.finished_at IS NULL)::integer
        WHERE s.tenant_id = p_tenant
        RETURNING s.running = s.running_limit - 1 INTO frees_slot;
    outcome := 'ended';
    status := ended.status;
    task := ended.task;
    attempt := ended.attempt;
    error := ended.error;
    tags := ended.tags;
    webhook_url := ended.webhook_url;
    finished_at := ended.finished_at;
    RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION task_finish FROM public;
GRANT EXECUTE ON FUNCTION task_finish TO tq_worker;
