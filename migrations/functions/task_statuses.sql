-- Purpose. Return the status of tasks for several callers in one statement, and for a waiting task what it waits for
--   (waiting_reason).
-- Parameters. p_tenants, p_ids: pairs of tenant and task. p_dead_after: seconds without a heartbeat after which a worker counts
--   as dead, and its pool's numbers count no more. p_remote_dead_after: seconds after the latest call of a tenant's own worker
--   after which it counts as gone.
-- Returns. One row for each task that exists, with the number of its pair (from 1).
-- Locks. None.
-- Called by. app/tasks/read/store.py.
CREATE OR REPLACE FUNCTION task_statuses(p_tenants uuid[], p_ids uuid[], p_dead_after double precision, p_remote_dead_after double precision)
RETURNS TABLE (
    number bigint, task text, status text, attempt integer, max_attempts integer, progress jsonb,
    waiting_reason text, cancel_requested boolean, error jsonb, created_at timestamptz, due_at timestamptz,
    started_at timestamptz, finished_at timestamptz, erased_at timestamptz
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    -- Row-level security shows rows of these tenants only, until the transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    RETURN QUERY
        SELECT u.number, k.task, k.status, k.attempt::integer, k.max_attempts::integer, k.progress,
            CASE
                -- The first reason that applies: what the tenant or its operator has set, then time, then slots, then workers.
                WHEN k.status NOT IN ('PENDING', 'RETRY') THEN NULL
                WHEN t.status = 'suspended' THEN 'SUSPENDED'
                WHEN t.queue_paused OR t.queue_paused_by_tenant THEN 'QUEUE_PAUSED'
                -- Only a task that has waited for others once is looked for there (gates bit 2).
                WHEN k.gates & 2 <> 0 AND EXISTS (SELECT FROM held h WHERE h.tenant_id = u.tenant_id AND h.task_id = u.id)
                    THEN 'DEPENDENCIES'
                -- The tenant has chosen this time, for the first attempt or for the next one (waiting_change).
                WHEN k.due_at > now() AND k.scheduled_at = k.due_at THEN 'SCHEDULED'
                WHEN k.due_at > now() AND k.status = 'RETRY' THEN 'RETRY_BACKOFF'
                -- A task that was never claimed, or that its own code has snoozed, waits for its time. A task that a worker
                -- without its type has given back also has a due_at in the future, but it waits for another worker.
                WHEN k.due_at > now() AND (k.attempt = 0 OR k.error ->> 'type' = 'TaskSnooze') THEN 'SCHEDULED'
                WHEN k.pool LIKE 'remote:%' THEN CASE
                    WHEN s.leased >= s.lease_limit THEN 'TENANT_CONCURRENCY'
                    WHEN NOT EXISTS (SELECT FROM remote_worker w WHERE w.tenant_id = u.tenant_id AND k.task = ANY(w.task_types)
                                     AND w.seen_at > now() - make_interval(secs => p_remote_dead_after)) THEN 'NO_WORKER'
                    ELSE 'QUEUED' END
                WHEN s.running >= s.running_limit OR s.in_pool >= slots_cap(s.cap, s.short_until, p.unjudged)
                    THEN 'TENANT_CONCURRENCY'
                WHEN NOT EXISTS (SELECT FROM worker w WHERE w.slots > 0 AND w.heartbeat_at > now() - make_interval(secs => p_dead_after)
                                 AND w.pool = k.pool AND k.task = ANY(w.task_types)) THEN 'NO_WORKER'
                ELSE 'QUEUED'
            END,
            k.cancel_requested_at IS NOT NULL, k.error, k.created_at, k.due_at, k.started_at, k.finished_at,
            k.erased_at
        -- LATERAL with LIMIT 1: each row is found by its key, one probe for each pair, whatever the statistics say. The
        -- generic plan (see above) is made once, because planning costs more than the call.
        FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS u (tenant_id, id, number)
        CROSS JOIN LATERAL (
            SELECT * FROM task w WHERE w.tenant_id = u.tenant_id AND w.id = u.id LIMIT 1
        ) AS k
        CROSS JOIN LATERAL (
            SELECT w.status, w.queue_paused, w.queue_paused_by_tenant FROM tenant w WHERE w.id = u.tenant_id LIMIT 1
        ) AS t
        CROSS JOIN LATERAL (
            -- The numbers of the task's pool.
            SELECT w.running, w.running_limit, w.leased, w.lease_limit,
                CASE k.pool WHEN 'prefork' THEN w.running - w.running_asyncio - w.running_http
                            WHEN 'asyncio' THEN w.running_asyncio ELSE w.running_http END AS in_pool,
                CASE k.pool WHEN 'prefork' THEN w.cap_prefork
                            WHEN 'asyncio' THEN w.cap_asyncio ELSE w.cap_http END AS cap,
                CASE k.pool WHEN 'prefork' THEN w.short_until_prefork
                            WHEN 'asyncio' THEN w.short_until_asyncio ELSE w.short_until_http END AS short_until
            FROM tenant_slots w WHERE w.tenant_id = u.tenant_id LIMIT 1
        ) AS s
        CROSS JOIN LATERAL (
            -- The pool's cap for tenants that are not judged yet, null without a fresh row. An ended task does not need it.
            -- OFFSET 0 keeps Postgres from copying the subquery to each place that uses it.
            SELECT (
                SELECT w.unjudged_cap FROM pool_slots w
                WHERE k.finished_at IS NULL AND w.pool = k.pool
                  AND w.judged_at > now() - make_interval(secs => p_dead_after)
            ) AS unjudged OFFSET 0
        ) AS p;
END
$$;
