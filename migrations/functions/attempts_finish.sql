-- Purpose. End attempts by their claim tokens. Each attempt gets the status of its outcome. Its task ends or waits again;
--   a task that would wait again ends REVOKED if its tenant has asked for a cancel.
-- Parameters. One element for each end, at the same place in every array. p_tenant_id, p_task_id: the task.
--   p_claim_token: the token of the attempt, which proves the right to end it. p_status: the task's next status
--   (SUCCESS, FAILURE, REVOKED, RETRY, PENDING). p_attempt_status: the attempt's status (SUCCESS, FAILURE, REVOKED, LOST,
--   RETURNED). p_result: JSON text, null for none. p_error: a JSON object, null for none. p_progress: JSON text, null to
--   keep the stored one. p_delay_seconds: seconds before the next attempt. p_seconds: seconds that a worker spent on the
--   attempt, null for all the time since the claim. p_fingerprint: of its error if it has failed, else null. p_has_webhook: false if it is known that the task has no webhook_url.
--   Then, once for all ends: p_cancelled: the error of a task that would wait again and is cancelled, a JSON object.
--   p_short_attempt: seconds up to which an attempt is short. p_short_for: seconds for which a tenant counts as one with
--   short tasks after such an attempt (app/tasks/run/timing.py). p_small_result: bytes up to which a result is kept in the
--   task's own row (app/tasks/run/outcomes.py).
-- Returns. One row for each end, in the order of the arrays. outcome is one of: ended; already, if the same end was
--   written before; fenced, if the token is no longer valid. If it is ended: the task's status, whether the tenant had no
--   slot free before (frees_slot), and whether a webhook has to be sent (has_webhook).
-- Locks. tenant_slots in the order of tenant ids, in a statement of its own; then task and attempt. If other tasks wait for some of
--   the ends, also held and backlog (held_release).
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION attempts_finish(
    p_tenant_id uuid[], p_task_id uuid[], p_claim_token uuid[], p_status text[], p_attempt_status text[],
    p_result text[], p_error text[], p_progress text[], p_delay_seconds double precision[], p_seconds double precision[],
    p_fingerprint uuid[], p_has_webhook boolean[], p_cancelled jsonb, p_short_attempt double precision, p_short_for double precision,
    p_small_result integer
)
RETURNS TABLE (
    number integer, outcome text, status text, frees_slot boolean, has_webhook boolean
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    wants smallint;
    awaited uuid[];
    tenants uuid[];
    released record;
BEGIN
    -- Row-level security shows and accepts rows of these tenants only, until the transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenant_id::text, true);
    -- Locks the slots in the same order as tasks_claim, so that the two cannot deadlock. It is a statement of its own:
    -- only a statement that begins after the lock sees what the last holder of the lock has written.
    SELECT coalesce(bit_or(l.features), 0) INTO wants FROM (
        SELECT s.features FROM tenant_slots s WHERE s.tenant_id = ANY(p_tenant_id) ORDER BY s.tenant_id FOR UPDATE
    ) AS l;
    IF cardinality(array_remove(p_fingerprint, NULL)) > 0 THEN
        -- Attempts that fail. It is a statement of its own, so that a group without one pays nothing. Nobody else can end an
        -- attempt while the slots are locked, so these are the ones that are ended below. They are only inserted, so that no
        -- end waits for another. errors_roll_up counts them.
        INSERT INTO error_seen (tenant_id, task_id, attempt, fingerprint, task, type)
        SELECT DISTINCT ON (g.tenant_id, g.task_id) g.tenant_id, g.task_id, k.attempt, g.fingerprint, k.task, g.error::jsonb ->> 'type'
        FROM unnest(p_tenant_id, p_task_id, p_claim_token, p_error, p_fingerprint) AS g (tenant_id, task_id, token, error, fingerprint)
        -- LATERAL with LIMIT: one look-up by the key for each end, whatever the statistics say.
        CROSS JOIN LATERAL (
            SELECT t.attempt, t.task FROM task t
            WHERE t.tenant_id = g.tenant_id AND t.id = g.task_id AND t.claim_token = g.token AND t.status = 'STARTED' LIMIT 1
        ) AS k
        WHERE g.fingerprint IS NOT NULL;
    END IF;
    IF wants & 4 <> 0 THEN
        -- Tenants with tasks that wait for others: which of these ends do they wait for? Nobody else can end these attempts while
        -- the slots are locked, so none is followed twice.
        SELECT array_agg(g.task_id), array_agg(g.tenant_id) INTO awaited, tenants
        FROM unnest(p_tenant_id, p_task_id, p_claim_token) AS g (tenant_id, task_id, token)
        CROSS JOIN LATERAL (
            SELECT FROM task t
            WHERE t.tenant_id = g.tenant_id AND t.id = g.task_id AND t.claim_token = g.token AND t.status = 'STARTED'
              AND t.gates & 1 <> 0 LIMIT 1
        ) AS k;
    END IF;
    -- There are two statements. The first writes no events, so a tenant without a log pays nothing for it. The second is
    -- the first with the events added; tests/contract/test_functions.py fails if they differ in anything else.
    IF wants & 3 = 0 AND awaited IS NULL AND true <> ALL(p_has_webhook) THEN
        RETURN QUERY
        WITH given AS MATERIALIZED (
            -- The ends, numbered by their place in the arrays. MATERIALIZED: two parts read it.
            -- waits: the outcome asks for another attempt (RETRY), or does not count the attempt (PENDING).
            -- is_large: the result gets a row of its own.
            SELECT g.*, g.next IN ('RETRY', 'PENDING') AS waits, coalesce(octet_length(g.result) > p_small_result, false) AS is_large
            FROM unnest(p_tenant_id, p_task_id, p_claim_token, p_status, p_attempt_status, p_result, p_error, p_progress,
                        p_delay_seconds, p_seconds) WITH ORDINALITY
                AS g (tenant_id, task_id, token, next, attempt_status, result, error, progress, delay, seconds, number)
        ), ended AS (
            -- Changes the tasks whose latest attempt has this token and runs. The last part says what the others are.
            UPDATE task k
            SET status = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE g.next END,
                error = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL
                             THEN p_cancelled ELSE g.error::jsonb END
                        || jsonb_build_object('attempt', k.attempt),
                failed_attempts = k.failed_attempts + (g.attempt_status = 'FAILURE')::integer,
                -- A lost or returned attempt without a delay keeps due_at, so its task keeps its place in the backlog.
                due_at = CASE WHEN g.next = 'RETRY' OR (g.waits AND g.delay > 0) THEN now() + make_interval(secs => g.delay)
                              ELSE k.due_at END,
                progress = coalesce(g.progress::jsonb, k.progress),
                finished_at = CASE WHEN g.waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END,
                -- A task that returns nothing has the result null.
                result = CASE WHEN g.next = 'SUCCESS' AND NOT g.is_large THEN coalesce(g.result, 'null')::json END
            FROM given g
            -- Rows are compared so that only the key can answer and no merge join is possible, whatever the statistics say.
            -- The comparison of id selects the partition (docs/decisions/0010-plans-whatever-statistics-know.md).
            WHERE (k.tenant_id, k.id) >= (g.tenant_id, g.task_id) AND (k.tenant_id, k.id) <= (g.tenant_id, g.task_id)
              AND k.id = g.task_id AND k.claim_token = g.token AND k.status = 'STARTED'
            RETURNING k.tenant_id, k.id, k.task, k.pool, k.priority, k.status, k.attempt, k.due_at, k.finished_at, g.number,
                g.attempt_status, g.result, g.is_large, g.error AS attempt_error, g.seconds,
                -- Only code that ran to its end shows that the tenant's tasks are short. Null seconds never do.
                g.seconds <= p_short_attempt AND g.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS is_short
        ), closed AS (
            -- Ends the attempts of these tasks. Rows are compared for the same reason as above.
            UPDATE attempt a
            SET status = e.attempt_status, error = e.attempt_error::jsonb || jsonb_build_object('attempt', e.attempt),
                finished_at = now()
            FROM ended e
            WHERE (a.tenant_id, a.task_id, a.attempt) >= (e.tenant_id, e.id, e.attempt)
              AND (a.tenant_id, a.task_id, a.attempt) <= (e.tenant_id, e.id, e.attempt) AND a.task_id = e.id
            RETURNING a.tenant_id, e.task, e.status, e.finished_at, a.waited_seconds, a.limited_seconds,
                e.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS has_run,
                coalesce(e.seconds, extract(epoch FROM now() - a.started_at)::double precision) AS seconds
        ), timed AS (
            -- Time of attempts whose code has ended, and a number for the statistics of each of them and of each other end of a
            -- task. It is only inserted, so that no end waits for another. usage_roll_up adds it up.
            INSERT INTO worker_time (tenant_id, task, attempts, seconds, samples)
            SELECT c.tenant_id, c.task, count(*) FILTER (WHERE c.has_run)::integer,
                coalesce(sum(c.seconds) FILTER (WHERE c.has_run), 0),
                array_agg(stat_sample(c.status, c.has_run, c.seconds, c.waited_seconds, c.limited_seconds))
            FROM closed c WHERE c.has_run OR c.finished_at IS NOT NULL GROUP BY c.tenant_id, c.task
        ), kept AS (
            -- Large results have a table of their own, so that a task's row stays small.
            INSERT INTO result (tenant_id, task_id, result)
            SELECT e.tenant_id, e.id, e.result::json FROM ended e WHERE e.status = 'SUCCESS' AND e.is_large
        ), waiting AS (
            -- Tasks that wait again. is_scheduled: the dispatcher offers their tickets when they are due. expires_at is null,
            -- because only a task that was never claimed expires.
            INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
            SELECT e.tenant_id, e.id, e.pool, e.priority, e.due_at, true, NULL FROM ended e WHERE e.finished_at IS NULL
        ), freed AS (
            -- Frees the slots, once for each tenant. If a short attempt has ended, the tenant counts as one with
            -- short tasks for a while: a tenant without a cap of its own then has none at all (slots_cap).
            UPDATE tenant_slots s
            SET running = s.running - c.ended, running_asyncio = s.running_asyncio - c.asyncio,
                running_http = s.running_http - c.http, leased = s.leased - c.leased,
                returned = s.returned + c.waiting,
                short_until_prefork = CASE WHEN c.has_short_prefork THEN now() + make_interval(secs => p_short_for)
                                           ELSE s.short_until_prefork END,
                short_until_asyncio = CASE WHEN c.has_short_asyncio THEN now() + make_interval(secs => p_short_for)
                                           ELSE s.short_until_asyncio END,
                short_until_http = CASE WHEN c.has_short_http THEN now() + make_interval(secs => p_short_for)
                                        ELSE s.short_until_http END,
                full_until = CASE WHEN s.running - c.ended < s.running_limit THEN coalesce(s.full_until, now())
                                  ELSE s.full_until END
            FROM (
                SELECT e.tenant_id, count(*) FILTER (WHERE e.pool NOT LIKE 'remote:%')::integer AS ended,
                    count(*) FILTER (WHERE e.pool = 'asyncio')::integer AS asyncio,
                    count(*) FILTER (WHERE e.pool = 'http')::integer AS http,
                    count(*) FILTER (WHERE e.pool LIKE 'remote:%')::integer AS leased,
                    count(*) FILTER (WHERE e.finished_at IS NULL)::integer AS waiting,
                    bool_or(e.is_short AND e.pool = 'prefork') AS has_short_prefork,
                    bool_or(e.is_short AND e.pool = 'asyncio') AS has_short_asyncio,
                    bool_or(e.is_short AND e.pool = 'http') AS has_short_http
                FROM ended e GROUP BY e.tenant_id
            ) AS c
            WHERE s.tenant_id = c.tenant_id
            -- The slots as they were before: was the tenant at its limit, or did a cap keep its due tasks back in this pool?
            RETURNING s.tenant_id, s.running + c.ended >= s.running_limit OR (c.leased > 0 AND s.leased + c.leased >= s.lease_limit)
                OR (s.held_back & 1 <> 0 AND c.ended > c.asyncio + c.http) OR (s.held_back & 2 <> 0 AND c.asyncio > 0)
                OR (s.held_back & 4 <> 0 AND c.http > 0) AS frees_slot
        )
        SELECT g.number::integer, CASE WHEN e.number IS NOT NULL THEN 'ended' ELSE coalesce((
                -- Was the same end written before? LIMIT 1 and not EXISTS, with which a plan may read all attempts.
                SELECT 'already' FROM attempt a
                WHERE a.tenant_id = g.tenant_id AND a.task_id = g.task_id AND a.claim_token = g.token
                  AND a.status = g.attempt_status
                LIMIT 1
            ), 'fenced') END,
            e.status, f.frees_slot
            , false
        -- LEFT JOIN: each end gets a row, also one that changed nothing.
        FROM given g LEFT JOIN ended e ON e.number = g.number LEFT JOIN freed f ON f.tenant_id = e.tenant_id
        ORDER BY g.number;
        RETURN;
    END IF;
    RETURN QUERY
    WITH given AS MATERIALIZED (
        -- The ends, numbered by their place in the arrays. MATERIALIZED: two parts read it.
        -- waits: the outcome asks for another attempt (RETRY), or does not count the attempt (PENDING).
        -- is_large: the result gets a row of its own.
        SELECT g.*, g.next IN ('RETRY', 'PENDING') AS waits, coalesce(octet_length(g.result) > p_small_result, false) AS is_large
        FROM unnest(p_tenant_id, p_task_id, p_claim_token, p_status, p_attempt_status, p_result, p_error, p_progress,
                    p_delay_seconds, p_seconds) WITH ORDINALITY
            AS g (tenant_id, task_id, token, next, attempt_status, result, error, progress, delay, seconds, number)
    ), ended AS (
        -- Changes the tasks whose latest attempt has this token and runs. The last part says what the others are.
        UPDATE task k
        SET status = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL THEN 'REVOKED' ELSE g.next END,
            error = CASE WHEN g.waits AND k.cancel_requested_at IS NOT NULL
                         THEN p_cancelled ELSE g.error::jsonb END
                    || jsonb_build_object('attempt', k.attempt),
            failed_attempts = k.failed_attempts + (g.attempt_status = 'FAILURE')::integer,
            -- A lost or returned attempt without a delay keeps due_at, so its task keeps its place in the backlog.
            due_at = CASE WHEN g.next = 'RETRY' OR (g.waits AND g.delay > 0) THEN now() + make_interval(secs => g.delay)
                          ELSE k.due_at END,
            progress = coalesce(g.progress::jsonb, k.progress),
            finished_at = CASE WHEN g.waits AND k.cancel_requested_at IS NULL THEN NULL ELSE now() END,
            -- A task that returns nothing has the result null.
            result = CASE WHEN g.next = 'SUCCESS' AND NOT g.is_large THEN coalesce(g.result, 'null')::json END
        FROM given g
        -- Rows are compared so that only the key can answer and no merge join is possible, whatever the statistics say.
        -- The comparison of id selects the partition (docs/decisions/0010-plans-whatever-statistics-know.md).
        WHERE (k.tenant_id, k.id) >= (g.tenant_id, g.task_id) AND (k.tenant_id, k.id) <= (g.tenant_id, g.task_id)
          AND k.id = g.task_id AND k.claim_token = g.token AND k.status = 'STARTED'
        RETURNING k.tenant_id, k.id, k.task, k.pool, k.priority, k.status, k.attempt, k.due_at, k.finished_at, g.number,
            g.attempt_status, g.result, g.is_large, g.error AS attempt_error, g.seconds,
            event_type(k.status) AS event_type, k.webhook_url IS NOT NULL AND k.finished_at IS NOT NULL AS has_webhook,
            -- Only code that ran to its end shows that the tenant's tasks are short. Null seconds never do.
            g.seconds <= p_short_attempt AND g.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS is_short
    ), closed AS (
        -- Ends the attempts of these tasks. Rows are compared for the same reason as above.
        UPDATE attempt a
        SET status = e.attempt_status, error = e.attempt_error::jsonb || jsonb_build_object('attempt', e.attempt),
            finished_at = now()
        FROM ended e
        WHERE (a.tenant_id, a.task_id, a.attempt) >= (e.tenant_id, e.id, e.attempt)
          AND (a.tenant_id, a.task_id, a.attempt) <= (e.tenant_id, e.id, e.attempt) AND a.task_id = e.id
        RETURNING a.tenant_id, e.task, e.status, e.finished_at, a.waited_seconds, a.limited_seconds,
            e.attempt_status IN ('SUCCESS', 'FAILURE', 'REVOKED') AS has_run,
            coalesce(e.seconds, extract(epoch FROM now() - a.started_at)::double precision) AS seconds
    ), timed AS (
        -- Time of attempts whose code has ended, and a number for the statistics of each of them and of each other end of a
        -- task. It is only inserted, so that no end waits for another. usage_roll_up adds it up.
        INSERT INTO worker_time (tenant_id, task, attempts, seconds, samples)
        SELECT c.tenant_id, c.task, count(*) FILTER (WHERE c.has_run)::integer,
            coalesce(sum(c.seconds) FILTER (WHERE c.has_run), 0),
            array_agg(stat_sample(c.status, c.has_run, c.seconds, c.waited_seconds, c.limited_seconds))
        FROM closed c WHERE c.has_run OR c.finished_at IS NOT NULL GROUP BY c.tenant_id, c.task
    ), kept AS (
        -- Large results have a table of their own, so that a task's row stays small.
        INSERT INTO result (tenant_id, task_id, result)
        SELECT e.tenant_id, e.id, e.result::json FROM ended e WHERE e.status = 'SUCCESS' AND e.is_large
    ), waiting AS (
        -- Tasks that wait again. is_scheduled: the dispatcher offers their tickets when they are due. expires_at is null,
        -- because only a task that was never claimed expires.
        INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)
        SELECT e.tenant_id, e.id, e.pool, e.priority, e.due_at, true, NULL FROM ended e WHERE e.finished_at IS NULL
    ), freed AS (
        -- Frees the slots, once for each tenant. If a short attempt has ended, the tenant counts as one with short
        -- tasks for a while: a tenant without a cap of its own then has none at all (slots_cap).
        UPDATE tenant_slots s
        SET running = s.running - c.ended, running_asyncio = s.running_asyncio - c.asyncio,
            running_http = s.running_http - c.http, leased = s.leased - c.leased,
            returned = s.returned + c.waiting,
            -- Takes the numbers of all events at once. The row stays locked until the commit, so numbers have no gaps and
            -- become visible in their order (docs/decisions/0014-event-log.md).
            event_seq = s.event_seq + CASE WHEN s.features & 3 <> 0 THEN c.events ELSE c.webhooks END,
            -- The last number that may have a webhook. It may be too high, never too low: all new numbers are included.
            webhook_seq = CASE WHEN CASE WHEN s.features & 2 <> 0 THEN c.events ELSE c.webhooks END = 0 THEN s.webhook_seq
                               WHEN s.features & 3 <> 0 THEN s.event_seq + c.events ELSE s.event_seq + c.webhooks END,
            short_until_prefork = CASE WHEN c.has_short_prefork THEN now() + make_interval(secs => p_short_for)
                                       ELSE s.short_until_prefork END,
            short_until_asyncio = CASE WHEN c.has_short_asyncio THEN now() + make_interval(secs => p_short_for)
                                       ELSE s.short_until_asyncio END,
            short_until_http = CASE WHEN c.has_short_http THEN now() + make_interval(secs => p_short_for)
                                    ELSE s.short_until_http END,
            full_until = CASE WHEN s.running - c.ended < s.running_limit THEN coalesce(s.full_until, now())
                              ELSE s.full_until END
        FROM (
            SELECT e.tenant_id, count(*) FILTER (WHERE e.pool NOT LIKE 'remote:%')::integer AS ended,
                count(*) FILTER (WHERE e.pool = 'asyncio')::integer AS asyncio,
                count(*) FILTER (WHERE e.pool = 'http')::integer AS http,
                count(*) FILTER (WHERE e.pool LIKE 'remote:%')::integer AS leased,
                count(*) FILTER (WHERE e.finished_at IS NULL)::integer AS waiting,
                count(e.event_type)::integer AS events,
                count(*) FILTER (WHERE e.has_webhook)::integer AS webhooks,
                bool_or(e.is_short AND e.pool = 'prefork') AS has_short_prefork,
                bool_or(e.is_short AND e.pool = 'asyncio') AS has_short_asyncio,
                bool_or(e.is_short AND e.pool = 'http') AS has_short_http
            FROM ended e GROUP BY e.tenant_id
        ) AS c
        WHERE s.tenant_id = c.tenant_id
        -- The slots as they were before: was the tenant at its limit, or did a cap keep its due tasks back in this pool?
        RETURNING s.tenant_id, s.running + c.ended >= s.running_limit OR (c.leased > 0 AND s.leased + c.leased >= s.lease_limit)
            OR (s.held_back & 1 <> 0 AND c.ended > c.asyncio + c.http) OR (s.held_back & 2 <> 0 AND c.asyncio > 0)
            OR (s.held_back & 4 <> 0 AND c.http > 0) AS frees_slot
            -- The switch is read again for each tenant, because p_tenant_id may mix tenants with and without a log.
            , s.features & 3 <> 0 AS logs_all, s.features & 2 <> 0 AS has_endpoints
            , s.event_seq - CASE WHEN s.features & 3 <> 0 THEN c.events ELSE c.webhooks END AS seq_before
    ), logged AS (
        -- Numbers the events in the order of the ends. Without a log or endpoints (features bits 1 and 2) only ends with a
        -- webhook_url are events. Endpoints get every event.
        INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
        SELECT n.tenant_id, n.seq, n.event_type, n.id, n.attempt, CASE WHEN n.has_webhook OR n.has_endpoints THEN n.seq END FROM (
            SELECT e.*, f.has_endpoints, f.seq_before + row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.number) AS seq
            FROM ended e JOIN freed f ON f.tenant_id = e.tenant_id
            WHERE e.event_type IS NOT NULL AND (f.logs_all OR e.has_webhook)
        ) AS n
    )
    SELECT g.number::integer, CASE WHEN e.number IS NOT NULL THEN 'ended' ELSE coalesce((
            -- Was the same end written before? LIMIT 1 and not EXISTS, with which a plan may read all attempts.
            SELECT 'already' FROM attempt a
            WHERE a.tenant_id = g.tenant_id AND a.task_id = g.task_id AND a.claim_token = g.token
              AND a.status = g.attempt_status
            LIMIT 1
        ), 'fenced') END,
        e.status, f.frees_slot
        -- What is freed below needs a ticket.
        OR coalesce(e.id = ANY(awaited), false)
        , e.has_webhook OR (f.has_endpoints AND e.event_type IS NOT NULL)
    -- LEFT JOIN: each end gets a row, also one that changed nothing.
    FROM given g LEFT JOIN ended e ON e.number = g.number LEFT JOIN freed f ON f.tenant_id = e.tenant_id
    ORDER BY g.number;
    IF awaited IS NOT NULL THEN
        FOR released IN
            SELECT u.tenant_id, array_agg(DISTINCT u.task_id) AS tasks FROM unnest(tenants, awaited) AS u (tenant_id, task_id)
            GROUP BY u.tenant_id ORDER BY u.tenant_id
        LOOP
            -- It leaves out those that have not ended, but wait again.
            PERFORM held_release(released.tenant_id, released.tasks);
        END LOOP;
    END IF;
END $$;
