-- Purpose. End attempts by their claim tokens: each becomes what its outcome says, and its task ends, waits again, or
--   is revoked where its tenant has asked for a cancel meanwhile.
-- Parameters. One element for each end, the same place in every array. p_tenant_id, p_task_id, p_claim_token: which
--   attempt, and the proof of the right to end it. p_status: the task's next status (SUCCESS, FAILURE, REVOKED, RETRY, PENDING).
--   p_attempt_status: the attempt's (SUCCESS, FAILURE, REVOKED, LOST, RETURNED). p_result: JSON text, null for
--   none. p_error: a JSON object, null for none. p_progress: JSON text, null to keep what is stored. p_delay_seconds:
--   seconds before the next attempt. p_seconds: seconds of a worker that it took, null for all the time since the
--   claim. p_has_webhook: false where it is known that the task has no webhook_url.
-- Returns. One row for each end, in their order. outcome: ended; already, where this end was written before; fenced,
--   where the token is no longer valid. Of the ended ones: the task's status, whether the tenant had no slot free
--   before (frees_slot), and whether a webhook is to be sent (has_webhook).
-- Locks. tenant_slots in the order of tenant ids, in a statement of its own; then task, attempt, and the rows that it
--   inserts.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION attempts_finish(
    p_tenant_id uuid[], p_task_id uuid[], p_claim_token uuid[], p_status text[], p_attempt_status text[],
    p_result text[], p_error text[], p_progress text[], p_delay_seconds double precision[], p_seconds double precision[],
    p_has_webhook boolean[]
)
RETURNS TABLE (
    number integer, outcome text, status text, frees_slot boolean, has_webhook boolean
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    wants smallint;
BEGIN
    PERFORM set_config('app.tenant_ids', p_tenant_id::text, true);
    -- In the order in which tasks_claim locks them.
    SELECT coalesce(bit_or(l.features), 0) INTO wants FROM (
        SELECT s.features FROM tenant_slots s WHERE s.tenant_id = ANY(p_tenant_id) ORDER BY s.tenant_id FOR UPDATE
    ) AS l;
    -- Two statements: one that writes no event pays nothing for the log. The second is the first with the events; a
    -- test (tests/contract/test_functions.py) holds them together.
    IF wants & 1 = 0 AND true <> ALL(p_has_webhook) THEN
        RETURN QUERY
        WITH given AS MATERIALIZED (
            SELECT g.*, g.next IN ('RETRY', 'PENDING') AS waits
            FROM unnest(p_tenant_id, p_task_id, p_claim_token, p_status, p_attempt_status, p_result, p_error, p_progress,
                        p_delay_seconds, p_seconds) WITH ORDINALITY
                AS g (tenant_id, task_id, token, next, attempt_status, result, error, progress, delay, seconds, number)
        ), ended AS (
            UPDATE task k
            SET status = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE g.next END,
                error = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL
                             THEN '{"type": "Cancelled", "message": "cancelled on request"}' ELSE g.error::jsonb END
                        || jsonb_build_object('attempt', k.attempt),
                failed_attempts = k.failed_attempts + (g.attempt_status = 'FAILURE')::integer,
                -- What was taken away, or given back, keeps its place in line.
                due_at = CASE WHEN g.next = 'RETRY' OR (g.waits AND g.delay > 0) THEN now() + make_interval(secs => g.delay)
                              ELSE k.due_at END,
                progress = coalesce(g.progress::jsonb, k.progress),
                finished_at = CASE WHEN g.waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END
            FROM given g
            WHERE (k.tenant_id, k.id) >= (g.tenant_id, g.task_id) AND (k.tenant_id, k.id) <= (g.tenant_id, g.task_id)
              AND k.id = g.task_id AND k.claim_token = g.token AND k.status = 'STARTED'
            RETURNING k.tenant_id, k.id, k.task, k.pool, k.priority, k.status, k.attempt, k.due_at, k.finished_at, g.number,
                g.attempt_status, g.result, g.error AS attempt_error, g.seconds,
                g.seconds <= 1 AND g.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS is_short
        ), closed AS (
            UPDATE attempt a
            SET status = e.attempt_status, error = e.attempt_error::jsonb || jsonb_build_object('attempt', e.attempt),
                finished_at = now()
            FROM ended e
            WHERE (a.tenant_id, a.task_id, a.attempt) >= (e.tenant_id, e.id, e.attempt)
              AND (a.tenant_id, a.task_id, a.attempt) <= (e.tenant_id, e.id, e.attempt) AND a.task_id = e.id
            RETURNING a.tenant_id, e.task, e.attempt_status,
                coalesce(e.seconds, extract(epoch FROM now() - a.started_at)::double precision) AS seconds
        ), timed AS (
            INSERT INTO worker_time (tenant_id, day, task, seconds)
            SELECT c.tenant_id, (now() AT TIME ZONE 'UTC')::date, c.task, sum(c.seconds) FROM closed c
            WHERE c.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') GROUP BY c.tenant_id, c.task
        ), kept AS (
            INSERT INTO result (tenant_id, task_id, result)
            SELECT e.tenant_id, e.id, coalesce(e.result, 'null')::json FROM ended e WHERE e.status = 'SUCCESS'
        ), waiting AS (
            INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
            SELECT e.tenant_id, e.id, e.pool, e.priority, e.due_at, true, NULL FROM ended e WHERE e.finished_at IS NULL
        ), freed AS (
            UPDATE tenant_slots s
            SET running = s.running - c.ended, running_asyncio = s.running_asyncio - c.asyncio,
                returned = s.returned + c.waiting,
                short_until_prefork = CASE WHEN c.has_short_prefork THEN now() + interval '2 seconds'
                                           ELSE s.short_until_prefork END,
                short_until_asyncio = CASE WHEN c.has_short_asyncio THEN now() + interval '2 seconds'
                                           ELSE s.short_until_asyncio END
            FROM (
                SELECT e.tenant_id, count(*)::integer AS ended,
                    count(*) FILTER (WHERE e.pool = 'asyncio')::integer AS asyncio,
                    count(*) FILTER (WHERE e.finished_at IS NULL)::integer AS waiting,
                    bool_or(e.is_short AND e.pool <> 'asyncio') AS has_short_prefork,
                    bool_or(e.is_short AND e.pool = 'asyncio') AS has_short_asyncio
                FROM ended e GROUP BY e.tenant_id
            ) AS c
            WHERE s.tenant_id = c.tenant_id
            RETURNING s.tenant_id, s.running + c.ended >= s.running_limit
                OR (s.held_back & 1 <> 0 AND c.ended > c.asyncio) OR (s.held_back & 2 <> 0 AND c.asyncio > 0) AS frees_slot
        )
        SELECT g.number::integer, CASE WHEN e.number IS NOT NULL THEN 'ended' ELSE coalesce((
                -- With EXISTS a plan may read every attempt there is.
                SELECT 'already' FROM attempt a
                WHERE a.tenant_id = g.tenant_id AND a.task_id = g.task_id AND a.claim_token = g.token
                  AND a.status = g.attempt_status
                LIMIT 1
            ), 'fenced') END,
            e.status, f.frees_slot
            , false
        FROM given g LEFT JOIN ended e ON e.number = g.number LEFT JOIN freed f ON f.tenant_id = e.tenant_id
        ORDER BY g.number;
        RETURN;
    END IF;
    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT g.*, g.next IN ('RETRY', 'PENDING') AS waits
        FROM unnest(p_tenant_id, p_task_id, p_claim_token, p_status, p_attempt_status, p_result, p_error, p_progress,
                    p_delay_seconds, p_seconds) WITH ORDINALITY
            AS g (tenant_id, task_id, token, next, attempt_status, result, error, progress, delay, seconds, number)
    ), ended AS (
        UPDATE task k
        SET status = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE g.next END,
            error = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL
                         THEN '{"type": "Cancelled", "message": "cancelled on request"}' ELSE g.error::jsonb END
                    || jsonb_build_object('attempt', k.attempt),
            failed_attempts = k.failed_attempts + (g.attempt_status = 'FAILURE')::integer,
            -- What was taken away, or given back, keeps its place in line.
            due_at = CASE WHEN g.next = 'RETRY' OR (g.waits AND g.delay > 0) THEN now() + make_interval(secs => g.delay)
                          ELSE k.due_at END,
            progress = coalesce(g.progress::jsonb, k.progress),
            finished_at = CASE WHEN g.waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END
        FROM given g
        WHERE (k.tenant_id, k.id) >= (g.tenant_id, g.task_id) AND (k.tenant_id, k.id) <= (g.tenant_id, g.task_id)
          AND k.id = g.task_id AND k.claim_token = g.token AND k.status = 'STARTED'
        RETURNING k.tenant_id, k.id, k.task, k.pool, k.priority, k.status, k.attempt, k.due_at, k.finished_at, g.number,
            g.attempt_status, g.result, g.error AS attempt_error, g.seconds,
            event_type(k.status) AS event_type, k.webhook_url IS NOT NULL AND k.finished_at IS NOT NULL AS has_webhook,
            g.seconds <= 1 AND g.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS is_short
    ), closed AS (
        UPDATE attempt a
        SET status = e.attempt_status, error = e.attempt_error::jsonb || jsonb_build_object('attempt', e.attempt),
            finished_at = now()
        FROM ended e
        WHERE (a.tenant_id, a.task_id, a.attempt) >= (e.tenant_id, e.id, e.attempt)
          AND (a.tenant_id, a.task_id, a.attempt) <= (e.tenant_id, e.id, e.attempt) AND a.task_id = e.id
        RETURNING a.tenant_id, e.task, e.attempt_status,
            coalesce(e.seconds, extract(epoch FROM now() - a.started_at)::double precision) AS seconds
    ), timed AS (
        INSERT INTO worker_time (tenant_id, day, task, seconds)
        SELECT c.tenant_id, (now() AT TIME ZONE 'UTC')::date, c.task, sum(c.seconds) FROM closed c
        WHERE c.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') GROUP BY c.tenant_id, c.task
    ), kept AS (
        INSERT INTO result (tenant_id, task_id, result)
        SELECT e.tenant_id, e.id, coalesce(e.result, 'null')::json FROM ended e WHERE e.status = 'SUCCESS'
    ), waiting AS (
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
        SELECT e.tenant_id, e.id, e.pool, e.priority, e.due_at, true, NULL FROM ended e WHERE e.finished_at IS NULL
    ), freed AS (
        UPDATE tenant_slots s
        SET running = s.running - c.ended, running_asyncio = s.running_asyncio - c.asyncio,
            returned = s.returned + c.waiting,
            event_seq = s.event_seq + CASE WHEN s.features & 1 <> 0 THEN c.events ELSE c.webhooks END,
            webhook_seq = CASE WHEN c.webhooks = 0 THEN s.webhook_seq WHEN s.features & 1 <> 0 THEN s.event_seq + c.events
                               ELSE s.event_seq + c.webhooks END,
            short_until_prefork = CASE WHEN c.has_short_prefork THEN now() + interval '2 seconds'
                                       ELSE s.short_until_prefork END,
            short_until_asyncio = CASE WHEN c.has_short_asyncio THEN now() + interval '2 seconds'
                                       ELSE s.short_until_asyncio END
        FROM (
            SELECT e.tenant_id, count(*)::integer AS ended,
                count(*) FILTER (WHERE e.pool = 'asyncio')::integer AS asyncio,
                count(*) FILTER (WHERE e.finished_at IS NULL)::integer AS waiting,
                count(e.event_type)::integer AS events,
                count(*) FILTER (WHERE e.has_webhook)::integer AS webhooks,
                bool_or(e.is_short AND e.pool <> 'asyncio') AS has_short_prefork,
                bool_or(e.is_short AND e.pool = 'asyncio') AS has_short_asyncio
            FROM ended e GROUP BY e.tenant_id
        ) AS c
        WHERE s.tenant_id = c.tenant_id
        RETURNING s.tenant_id, s.running + c.ended >= s.running_limit
            OR (s.held_back & 1 <> 0 AND c.ended > c.asyncio) OR (s.held_back & 2 <> 0 AND c.asyncio > 0) AS frees_slot
            , s.features & 1 <> 0 AS logs_all
            , s.event_seq - CASE WHEN s.features & 1 <> 0 THEN c.events ELSE c.webhooks END AS seq_before
    ), logged AS (
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
        SELECT n.tenant_id, n.seq, n.event_type, n.id, n.attempt, CASE WHEN n.has_webhook THEN n.seq END FROM (
            SELECT e.*, f.seq_before + row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.number) AS seq
            FROM ended e JOIN freed f ON f.tenant_id = e.tenant_id
            WHERE e.event_type IS NOT NULL AND (f.logs_all OR e.has_webhook)
        ) AS n
    )
    SELECT g.number::integer, CASE WHEN e.number IS NOT NULL THEN 'ended' ELSE coalesce((
            -- With EXISTS a plan may read every attempt there is.
            SELECT 'already' FROM attempt a
            WHERE a.tenant_id = g.tenant_id AND a.task_id = g.task_id AND a.claim_token = g.token
              AND a.status = g.attempt_status
            LIMIT 1
        ), 'fenced') END,
        e.status, f.frees_slot
        , e.has_webhook
    FROM given g LEFT JOIN ended e ON e.number = g.number LEFT JOIN freed f ON f.tenant_id = e.tenant_id
    ORDER BY g.number;
END $$;
