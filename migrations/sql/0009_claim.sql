-- Give up to p_limit of the tenant's due tasks to a worker: the most urgent first, where a minute of waiting weighs
-- as much as one step of priority, so that nothing starves. Returns nothing when the tenant is not active, is paused,
-- has no free slot or has nothing due. `plan` and `result_bytes` (the tenant's override, NULL where it has none) say how
-- large a result may be; `has_webhook`, whether its end is an event. What leaves the backlog is counted beside the slots.
-- `has_more` in the last row: there is more due work, and a slot for it.
CREATE FUNCTION task_claim(p_tenant uuid, p_pool text, p_worker uuid, p_limit integer)
    RETURNS TABLE (task_id uuid, task text, payload jsonb, attempt integer, failed_attempts integer,
                   max_attempts integer, claim_token uuid, time_limit_seconds double precision,
                   timeout_seconds double precision, deadline_at timestamptz, cancel_requested boolean,
                   traceparent text, plan text, result_bytes integer, has_webhook boolean, has_more boolean)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    slots integer;
    free integer;
    claimed integer := 0;
    taken integer := 0;
    due record;
    started task%ROWTYPE;
BEGIN
    -- The claim token fences: a claim that a crash takes back is simply given again.
    PERFORM set_config('synchronous_commit', 'off', true), set_config('app.tenant_ids', format('{%s}', p_tenant), true);
    SELECT s.running_limit - s.running, t.plan, (t.limits ->> 'result_bytes')::integer
        INTO slots, plan, result_bytes
        FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id
        WHERE s.tenant_id = p_tenant AND t.status = 'active' AND NOT t.queue_paused
        FOR UPDATE OF s;
    IF slots IS NULL OR slots <= 0 THEN RETURN; END IF;
    free := least(p_limit, slots);
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
        taken := taken + 1;
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
        has_webhook := started.webhook_url IS NOT NULL;
        -- Another ticket is worth something if there is work for it, and a slot.
        has_more := claimed = p_limit AND slots > p_limit AND EXISTS (
            SELECT FROM generate_series(0, 9) AS p, LATERAL (
                SELECT w.due_at FROM backlog w WHERE w.tenant_id = p_tenant AND w.pool = p_pool AND w.priority = p
                ORDER BY w.due_at LIMIT 1
            ) AS first
            WHERE first.due_at <= now()
        );
        RETURN NEXT;
    END LOOP;
    IF taken > 0 THEN
        UPDATE tenant_slots s SET running = s.running + claimed, departed = s.departed + taken
            WHERE s.tenant_id = p_tenant;
    END IF;
END $$;
REVOKE ALL ON FUNCTION task_claim FROM public;
GRANT EXECUTE ON FUNCTION task_claim TO tq_worker;
