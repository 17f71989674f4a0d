-- Purpose. Follow the ends of tasks for which others wait: free those that wait for no more, and end those whose condition can no
--   longer hold as REVOKED, then follow these ends too. At most 1,000 tasks end in one call, in at most 100 rounds, because the
--   tenant's claims and ends wait meanwhile. The dispatcher goes on with the rest.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner, whom row-level security lets see all. p_tasks: tasks that have ended in this transaction. Never name a task twice: it would
--   be counted twice.
-- Returns. The tasks that have ended here.
-- Locks. tenant_slots in a statement of its own, then held, backlog and task.
-- Called by. attempt_finish, attempts_finish, tasks_hold, waiting_revoke, app/tasks/held_store.py.
CREATE OR REPLACE FUNCTION held_release(p_tenant uuid, p_tasks uuid[])
RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    max_rounds CONSTANT integer := 100;
    max_ended CONSTANT integer := 1000;
    followed uuid[] := p_tasks;
    free uuid[];
    just_ended uuid[];
    total integer := 0;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    FOR round IN 0 .. max_rounds LOOP
        IF cardinality(followed) > 0 THEN
            WITH edges AS MATERIALIZED (
                -- For each task that waits: how many of its conditions hold now, and one that cannot hold any more. LATERAL with
                -- LIMIT or OFFSET: rows are found by their keys, whatever the statistics say.
                SELECT d.downstream_id AS task_id, count(*) FILTER (WHERE dependency_met(d.need, k.status))::integer AS met,
                    (array_agg(u.id) FILTER (WHERE NOT dependency_met(d.need, k.status)))[1] AS broken_by
                FROM unnest(followed) AS u (id)
                CROSS JOIN LATERAL (
                    SELECT t.status FROM task t
                    WHERE t.tenant_id = p_tenant AND t.id = u.id AND t.finished_at IS NOT NULL LIMIT 1
                ) AS k
                CROSS JOIN LATERAL (
                    SELECT e.downstream_id, e.need FROM dependency e WHERE e.tenant_id = p_tenant AND e.upstream_id = u.id OFFSET 0
                ) AS d
                GROUP BY d.downstream_id
            ), changed AS (
                -- Rows are compared so that only the key can answer (docs/decisions/0010-plans-whatever-statistics-know.md).
                UPDATE held h SET remaining = greatest(0, h.remaining - e.met), doomed_by = coalesce(h.doomed_by, e.broken_by)
                FROM edges e
                WHERE (h.tenant_id, h.task_id) >= (p_tenant, e.task_id) AND (h.tenant_id, h.task_id) <= (p_tenant, e.task_id)
                  AND h.task_id = e.task_id
                RETURNING h.task_id, h.remaining, h.doomed_by
            )
            SELECT array_agg(c.task_id) INTO free FROM changed c WHERE c.remaining = 0 AND c.doomed_by IS NULL;
            IF free IS NOT NULL THEN
                PERFORM held_free(p_tenant, free);
            END IF;
        END IF;
        -- The ends of the last round were followed above. What is marked, and not ended yet, is the dispatcher's.
        EXIT WHEN round = max_rounds OR total >= max_ended;
        WITH taken AS (
            DELETE FROM held h USING (
                SELECT w.ctid AS row_place FROM held w WHERE w.tenant_id = p_tenant AND w.doomed_by IS NOT NULL LIMIT max_ended - total
            ) AS found
            WHERE h.ctid = found.row_place
            RETURNING h.task_id, h.doomed_by
        ), ended AS (
            UPDATE task k
            SET status = 'REVOKED', finished_at = now(), error = jsonb_build_object(
                'type', 'DependencyFailed', 'attempt', k.attempt,
                'message', format('task %s, for which it waited, did not end as it needs', t.doomed_by))
            FROM taken t
            WHERE (k.tenant_id, k.id) >= (p_tenant, t.task_id) AND (k.tenant_id, k.id) <= (p_tenant, t.task_id) AND k.id = t.task_id
            RETURNING k.id, k.task, k.status, k.attempt, k.webhook_url IS NOT NULL AS has_webhook, k.gates & 1 <> 0 AS is_awaited
        ), counted AS (
            -- Takes the numbers of all events at once, as attempts_finish does.
            UPDATE tenant_slots s
            SET departed = s.departed + c.ended,
                event_seq = s.event_seq + CASE WHEN s.features & 3 <> 0 THEN c.ended ELSE c.webhooks END,
                webhook_seq = CASE WHEN CASE WHEN s.features & 2 <> 0 THEN c.ended ELSE c.webhooks END = 0 THEN s.webhook_seq
                                   WHEN s.features & 3 <> 0 THEN s.event_seq + c.ended ELSE s.event_seq + c.webhooks END
            FROM (SELECT count(*)::integer AS ended, count(*) FILTER (WHERE e.has_webhook)::integer AS webhooks FROM ended e) AS c
            WHERE s.tenant_id = p_tenant AND c.ended > 0
            RETURNING s.features & 3 <> 0 AS logs_all, s.features & 2 <> 0 AS has_endpoints,
                s.event_seq - CASE WHEN s.features & 3 <> 0 THEN c.ended ELSE c.webhooks END AS seq_before
        ), logged AS (
            INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq)
            SELECT p_tenant, n.seq, event_type(n.status), n.id, n.attempt, CASE WHEN n.has_webhook OR n.has_endpoints THEN n.seq END
            FROM (
                SELECT e.*, c.has_endpoints, c.seq_before + row_number() OVER (ORDER BY e.id) AS seq
                FROM ended e, counted c WHERE c.logs_all OR e.has_webhook
            ) AS n
        ), timed AS (
            -- The statistics count these ends, as they count those of attempts (usage_roll_up).
            INSERT INTO worker_time (tenant_id, task, attempts, seconds, samples)
            SELECT p_tenant, e.task, 0, 0, array_agg(stat_sample(e.status, false, 0, 0, 0)) FROM ended e GROUP BY e.task
        )
        SELECT array_agg(e.id), array_agg(e.id) FILTER (WHERE e.is_awaited) INTO just_ended, followed FROM ended e;
        EXIT WHEN just_ended IS NULL;
        total := total + cardinality(just_ended);
        RETURN QUERY SELECT unnest(just_ended);
    END LOOP;
END $$;
