-- The two transactions of an attempt, each one round trip. As statements of their own they cost 2.3 times as much CPU
-- (docs/decisions/0003-backlog-table.md). They run as their caller, under its policies.

-- Give up to p_limit of the tenant's due tasks to a worker: the most urgent first, where a minute of waiting weighs
-- as much as one step of priority, so that nothing starves. Returns nothing when the tenant is not active, is paused,
-- has no free slot or has nothing due.
CREATE FUNCTION task_claim(p_tenant uuid, p_pool text, p_worker uuid, p_limit integer)
    RETURNS TABLE (task_id uuid, task text, payload jsonb, attempt integer, failed_attempts integer,
                   max_attempts integer, claim_token uuid, time_limit_seconds double precision,
                   timeout_seconds double precision, deadline_at timestamptz, cancel_requested boolean,
                   traceparent text)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    free integer;
    claimed integer := 0;
    due record;
    started task%ROWTYPE;
BEGIN
    -- The claim token fences: a claim that a crash takes back is simply given again.
    PERFORM set_config('synchronous_commit', 'off', true), set_config('app.tenant_ids', format('{%s}', p_tenant), true);
    SELECT least(p_limit, s.running_limit - s.running) INTO free
        FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id
        WHERE s.tenant_id = p_tenant AND t.status = 'active' AND NOT t.queue_paused
        FOR UPDATE OF s;
    IF free IS NULL OR free <= 0 THEN RETURN; END IF;
    FOR due IN
        SELECT b.task_id
        FROM generate_series(9, 0, -1) AS p, LATERAL (
            SELECT w.task_id, w.due_at, w.priority FROM backlog w
            WHERE w.tenant_id = p_tenant AND w.pool = p_pool AND w.priority = p AND w.due_at <= now()
              AND (w.expires_at IS NULL OR w.expires_at > now())
            ORDER BY w.due_at LIMIT free FOR UPDATE SKIP LOCKED
        ) AS b
        ORDER BY b.due_at - b.priority * interval '1 minute', b.task_id
        LIMIT free
    LOOP
        DELETE FROM backlog w WHERE w.tenant_id = p_tenant AND w.task_id = due.task_id;
        UPDATE task k
            SET status = 'STARTED', attempt = k.attempt + 1, claim_token = gen_random_uuid(),
                started_at = coalesce(k.started_at, now())
            WHERE k.tenant_id = p_tenant AND k.id = due.task_id AND k.status IN ('PENDING', 'RETRY')
            RETURNING * INTO started;
        CONTINUE WHEN NOT FOUND;
        deadline_at := now() + make_interval(secs => started.time_limit_seconds + 5);
        INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at)
            VALUES (p_tenant, started.id, started.attempt, started.claim_token, p_worker, task_claim.deadline_at);
        claimed := claimed + 1;
        task_id := started.id;
        task := started.task;
        payload := started.payload;
        attempt := started.attempt;
        failed_attempts := started.failed_attempts;
        max_attempts := started.max_attempts;
        claim_token := started.claim_token;
        time_limit_seconds := started.time_limit_seconds;
        timeout_seconds := started.timeout_seconds;
        cancel_requested := started.cancel_requested_at IS NOT NULL;
        traceparent := started.traceparent;
        RETURN NEXT;
    END LOOP;
    IF claimed > 0 THEN
        UPDATE tenant_slots s SET running = s.running + claimed WHERE s.tenant_id = p_tenant;
    END IF;
END $$;

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

-- Count n more tasks for each tenant in its day and month, in the order of the ids (unordered, two processes lock each
-- other out). A limit of -1 is none. Returns for each tenant how many were granted, which period refused the rest, and
-- in how many seconds that period ends.
CREATE FUNCTION usage_reserve(p_tenants uuid[], p_counts integer[], p_day_limits bigint[], p_month_limits bigint[])
    RETURNS TABLE (tenant_id uuid, granted integer, refused_by text, ends_in_seconds integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted record;
    today date := (now() AT TIME ZONE 'UTC')::date;
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    day_used bigint;
    month_used bigint;
BEGIN
    FOR wanted IN
        SELECT u.t, u.n, u.d, u.m FROM unnest(p_tenants, p_counts, p_day_limits, p_month_limits) AS u(t, n, d, m)
        ORDER BY u.t
    LOOP
        INSERT INTO usage AS g (tenant_id, period, starts_on, used) VALUES (wanted.t, 'day', today, 0)
            ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET used = g.used RETURNING g.used INTO day_used;
        INSERT INTO usage AS g (tenant_id, period, starts_on, used) VALUES (wanted.t, 'month', month, 0)
            ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET used = g.used RETURNING g.used INTO month_used;
        granted := wanted.n;
        refused_by := NULL;
        IF wanted.d >= 0 AND day_used + granted > wanted.d THEN
            granted := greatest(0, wanted.d - day_used);
            refused_by := 'day';
        END IF;
        IF wanted.m >= 0 AND month_used + granted > wanted.m THEN
            granted := greatest(0, wanted.m - month_used);
            refused_by := 'month';
        END IF;
        IF granted > 0 THEN
            UPDATE usage g SET used = g.used + usage_reserve.granted
                WHERE g.tenant_id = wanted.t
                  AND ((g.period = 'day' AND g.starts_on = today) OR (g.period = 'month' AND g.starts_on = month));
        END IF;
        tenant_id := wanted.t;
        ends_in_seconds := ceil(extract(epoch FROM
            CASE refused_by WHEN 'day' THEN today + interval '1 day' ELSE month + interval '1 month' END
            - (now() AT TIME ZONE 'UTC')));
        RETURN NEXT;
    END LOOP;
END $$;
