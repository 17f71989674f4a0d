-- Purpose. Claim due tasks of a tenant for a worker of its own, and lease them to it. The claim is tasks_claim, once for each
--   type that has due tasks. The type with the task that has waited longest comes first, where a step of priority counts as one
--   minute more.
-- Parameters. p_tenant: the tenant. p_types: names of task types. p_seconds: for each of them, how many seconds a renewal lasts.
--   p_limit: the maximum number of tasks. p_name: the name of the worker. p_delivery: seconds until a lease that no call names
--   expires. p_worker: the id that all attempts of tenants' own workers have. p_key, p_dead_after, p_deadline_grace,
--   p_limit_gap: as in tasks_claim.
-- Returns. The rows of tasks_claim, with the tags of the task and the time at which its lease expires.
-- Locks. As tasks_claim; then lease.
-- Called by. app/tasks/lease_store.py.
CREATE OR REPLACE FUNCTION tasks_lease(
    p_tenant uuid, p_types text[], p_seconds integer[], p_limit integer, p_name text, p_delivery double precision,
    p_worker uuid, p_key uuid, p_dead_after double precision, p_deadline_grace double precision, p_limit_gap double precision
)
RETURNS TABLE (
    tenant_id uuid, task_id uuid, task text, payload json, attempt integer, failed_attempts integer, max_attempts integer,
    claim_token uuid, time_limit_seconds double precision, timeout_seconds double precision, deadline_at timestamptz,
    cancel_requested boolean, traceparent text, plan text, result_bytes integer, has_webhook boolean, has_more boolean,
    tags text[], expires_at timestamptz
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    waiting record;
    remaining integer := p_limit;
    claimed integer;
BEGIN
    -- Row-level security shows and accepts rows of this tenant only, until the transaction ends.
    PERFORM set_config('app.tenant_ids', '{' || p_tenant || '}', true);
    FOR waiting IN
        SELECT w.name, w.seconds FROM unnest(p_types, p_seconds) AS w (name, seconds)
        CROSS JOIN LATERAL (
            -- The first due task of each priority. LATERAL with LIMIT: the index of due work is read in its own order.
            SELECT min(b.due_at - b.priority * interval '1 minute') AS place FROM generate_series(9, 0, -1) AS p, LATERAL (
                SELECT l.due_at, l.priority FROM backlog l
                WHERE l.tenant_id = p_tenant AND l.pool = 'remote:' || w.name AND l.priority = p AND l.due_at <= now()
                ORDER BY l.due_at LIMIT 1
            ) AS b
        ) AS first
        WHERE first.place IS NOT NULL ORDER BY first.place
    LOOP
        RETURN QUERY
        WITH taken AS MATERIALIZED (
            SELECT c.* FROM tasks_claim(
                p_pool => 'remote:' || waiting.name, p_worker => p_worker, p_tenants => ARRAY[p_tenant],
                p_limits => ARRAY[remaining], p_key => p_key, p_dead_after => p_dead_after,
                p_deadline_grace => p_deadline_grace, p_limit_gap => p_limit_gap) AS c
        ), leased AS (
            -- A row may be left of an earlier attempt of the same task.
            INSERT INTO lease AS l (tenant_id, task_id, claim_token, task, worker, lease_seconds, expires_at)
            SELECT t.tenant_id, t.task_id, t.claim_token, t.task, p_name, waiting.seconds, now() + make_interval(secs => p_delivery)
            FROM taken t
            ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
                SET claim_token = excluded.claim_token, worker = excluded.worker, lease_seconds = excluded.lease_seconds,
                    expires_at = excluded.expires_at, confirmed_at = NULL, lost_at = NULL
        )
        SELECT t.*, k.tags, now() + make_interval(secs => p_delivery)
        FROM taken t
        CROSS JOIN LATERAL (SELECT f.tags FROM task f WHERE f.tenant_id = t.tenant_id AND f.id = t.task_id LIMIT 1) AS k;
        GET DIAGNOSTICS claimed = ROW_COUNT;
        remaining := remaining - claimed;
        EXIT WHEN remaining < 1;
    END LOOP;
END $$;
