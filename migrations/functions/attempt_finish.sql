-- Purpose. End one attempt by its claim token. It means the same as attempts_finish for a group of one. Its plain statements
--   cost less: a row that is found by its key needs no join (docs/decisions/0015-one-task-by-plain-statements.md).
-- Parameters. p_tenant_id, p_task_id: the task. p_claim_token: the token of the attempt, which proves the right to end it.
--   p_status: the task's next status. p_attempt_status: the attempt's status. p_result: JSON text, null for none. p_error: a
--   JSON object, null for none. p_progress: JSON text, null to keep the stored one. p_delay_seconds: seconds before the next
--   attempt. p_seconds: seconds that a worker spent on the attempt, null for all the time since the claim.
--   p_fingerprint: of its error if it has failed, else null. p_cancelled: the error of a task that would wait again and is cancelled, a JSON object. p_short_attempt, p_short_for: seconds, as in
--   attempts_finish. p_small_result: bytes up to which a result is kept in the task's own row (app/tasks/run/outcomes.py).
-- Returns. The same as attempts_finish: one row.
-- Locks. tenant_slots in a statement of its own; then task and attempt. If other tasks wait for the end, also held and backlog
--   (held_release).
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION attempt_finish(
    p_tenant_id uuid, p_task_id uuid, p_claim_token uuid, p_status text, p_attempt_status text, p_result text,
    p_error text, p_progress text, p_delay_seconds double precision, p_seconds double precision,
    p_fingerprint uuid, p_cancelled jsonb, p_short_attempt double precision, p_short_for double precision, p_small_result integer
)
RETURNS TABLE (
    number integer, outcome text, status text, frees_slot boolean, has_webhook boolean
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ignored text;
    slots record;
    ended record;
    spent double precision;
    waited real;
    limited real;
    -- The outcome asks for another attempt (RETRY), or does not count the attempt (PENDING).
    waits boolean := p_status IN ('RETRY', 'PENDING');
    -- The code of the attempt has ended.
    has_run boolean := p_attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED');
    is_large boolean := coalesce(octet_length(p_result) > p_small_result, false);
    type_of_event smallint;
    is_remote boolean;
BEGIN
    number := 1;
    -- Row-level security shows and accepts rows of this tenant only, until the transaction ends.
    ignored := set_config('app.tenant_ids', '{' || p_tenant_id || '}', true);
    -- Locks the slots first, as every claim and end. It is a statement of its own: only a statement that begins after the
    -- lock sees what the last holder of the lock has written.
    SELECT s.running >= s.running_limit AS is_full, s.leased >= s.lease_limit AS has_all_leases, s.held_back, s.features & 3 <> 0 AS logs_all, s.features & 2 <> 0 AS has_endpoints
    INTO slots
    FROM tenant_slots s WHERE s.tenant_id = p_tenant_id FOR UPDATE;
    -- Changes the task if its latest attempt has this token and runs.
    UPDATE task k
    SET status = CASE WHEN waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE p_status END,
        error = CASE WHEN waits AND k.cancel_requested_at IS NOT NULL THEN p_cancelled ELSE p_error::jsonb END
                || jsonb_build_object('attempt', k.attempt),
        failed_attempts = k.failed_attempts + (p_attempt_status = 'FAILURE')::integer,
        -- A lost or returned attempt without a delay keeps due_at, so its task keeps its place in the backlog.
        due_at = CASE WHEN p_status = 'RETRY' OR (waits AND p_delay_seconds > 0)
                      THEN now() + make_interval(secs => p_delay_seconds) ELSE k.due_at END,
        progress = coalesce(p_progress::jsonb, k.progress),
        finished_at = CASE WHEN waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END,
        -- A task that returns nothing has the result null.
        result = CASE WHEN p_status = 'SUCCESS' AND NOT is_large THEN coalesce(p_result, 'null')::json END
    WHERE k.tenant_id = p_tenant_id AND k.id = p_task_id AND k.claim_token = p_claim_token AND k.status = 'STARTED'
    RETURNING k.task, k.pool, k.priority, k.status, k.attempt, k.due_at, k.finished_at,
        k.webhook_url IS NOT NULL AND k.finished_at IS NOT NULL AS has_webhook,
        k.gates & 1 <> 0 AND k.finished_at IS NOT NULL AS is_awaited INTO ended;
    IF NOT FOUND THEN
        -- Was the same end written before?
        outcome := coalesce((
            SELECT 'already' FROM attempt a
            WHERE a.tenant_id = p_tenant_id AND a.task_id = p_task_id AND a.claim_token = p_claim_token
              AND a.status = p_attempt_status
            LIMIT 1
        ), 'fenced');
        RETURN NEXT;
        RETURN;
    END IF;
    outcome := 'ended';
    status := ended.status;
    has_webhook := ended.has_webhook;
    -- Was the tenant at its limit, or did a cap keep its due tasks back in this pool?
    is_remote := ended.pool LIKE 'remote:%';
    frees_slot := CASE WHEN is_remote THEN slots.has_all_leases ELSE slots.is_full
        OR slots.held_back & CASE ended.pool WHEN 'prefork' THEN 1 WHEN 'asyncio' THEN 2 ELSE 4 END <> 0 END;
    UPDATE attempt a
    SET status = p_attempt_status, error = p_error::jsonb || jsonb_build_object('attempt', ended.attempt), finished_at = now()
    WHERE a.tenant_id = p_tenant_id AND a.task_id = p_task_id AND a.attempt = ended.attempt
    RETURNING coalesce(p_seconds, extract(epoch FROM now() - a.started_at)::double precision), a.waited_seconds,
        a.limited_seconds INTO spent, waited, limited;
    IF has_run OR ended.finished_at IS NOT NULL THEN
        -- It is only inserted, so that no end waits for another. usage_roll_up adds it up.
        INSERT INTO worker_time (tenant_id, task, attempts, seconds, samples)
        VALUES (p_tenant_id, ended.task, has_run::integer, CASE WHEN has_run THEN spent ELSE 0 END,
                ARRAY[stat_sample(ended.status, has_run, spent, waited, limited)]);
    END IF;
    IF p_fingerprint IS NOT NULL THEN
        -- Only inserted, too. errors_roll_up counts it.
        INSERT INTO error_seen (tenant_id, task_id, attempt, fingerprint, task, type)
        VALUES (p_tenant_id, p_task_id, ended.attempt, p_fingerprint, ended.task, p_error::jsonb ->> 'type');
    END IF;
    IF ended.status = 'SUCCESS' AND is_large THEN
        -- Large results have a table of their own, so that a task's row stays small.
        INSERT INTO result (tenant_id, task_id, result) VALUES (p_tenant_id, p_task_id, p_result::json);
    ELSIF ended.finished_at IS NULL THEN
        -- The task waits again. is_scheduled: the dispatcher offers its ticket when it is due. expires_at is null, because
        -- only a task that was never claimed expires.
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
        VALUES (p_tenant_id, p_task_id, ended.pool, ended.priority, ended.due_at, true, NULL);
    END IF;
    -- Without a log or endpoints (features bits 1 and 2) only ends with a webhook_url are events. Endpoints get every event.
    IF slots.logs_all OR has_webhook THEN
        type_of_event := event_type(ended.status);
        has_webhook := has_webhook OR (slots.has_endpoints AND type_of_event IS NOT NULL);
    END IF;
    -- Frees the slot. If a short attempt has ended, the tenant counts as one with short tasks for a while (slots_cap). Null
    -- seconds never show that. An event takes its number here: the row stays locked until the commit, so numbers have no
    -- gaps and become visible in their order (docs/decisions/0014-event-log.md).
    UPDATE tenant_slots s
    SET running = s.running - (NOT is_remote)::integer, leased = s.leased - is_remote::integer, running_asyncio = s.running_asyncio - (ended.pool = 'asyncio')::integer,
        running_http = s.running_http - (ended.pool = 'http')::integer,
        returned = s.returned + (ended.finished_at IS NULL)::integer,
        event_seq = s.event_seq + (type_of_event IS NOT NULL)::integer,
        webhook_seq = CASE WHEN has_webhook THEN s.event_seq + 1 ELSE s.webhook_seq END,
        short_until_prefork = CASE WHEN p_seconds <= p_short_attempt AND has_run AND ended.pool = 'prefork'
                                   THEN now() + make_interval(secs => p_short_for) ELSE s.short_until_prefork END,
        short_until_asyncio = CASE WHEN p_seconds <= p_short_attempt AND has_run AND ended.pool = 'asyncio'
                                   THEN now() + make_interval(secs => p_short_for) ELSE s.short_until_asyncio END,
        short_until_http = CASE WHEN p_seconds <= p_short_attempt AND has_run AND ended.pool = 'http'
                                THEN now() + make_interval(secs => p_short_for) ELSE s.short_until_http END,
        full_until = CASE WHEN s.running - (NOT is_remote)::integer < s.running_limit THEN coalesce(s.full_until, now()) ELSE s.full_until END
    WHERE s.tenant_id = p_tenant_id
    RETURNING s.event_seq INTO slots;
    IF type_of_event IS NOT NULL THEN
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
        VALUES (p_tenant_id, slots.event_seq, type_of_event, p_task_id, ended.attempt,
                CASE WHEN has_webhook THEN slots.event_seq END);
    END IF;
    IF ended.is_awaited THEN
        -- Others wait for this end. What it frees needs a ticket.
        PERFORM held_release(p_tenant_id, ARRAY[p_task_id]);
        frees_slot := true;
    END IF;
    RETURN NEXT;
END $$;
