-- Purpose. Claim due tasks of several tenants for one worker. Each tenant's next tasks by priority and age are claimed, as
--   many as its limits and caps allow.
-- Parameters. p_pool: the worker's pool; remote:<task type> for a tenant's own worker (tasks_lease). p_worker: the worker's id. p_tenants: the tenants. p_limits: the maximum number
--   of tasks for each of them. p_key: random, and new for each claim; its first half is the first half of each token, by which
--   a worker finds what a claim took whose answer was lost. p_dead_after: seconds after which the numbers of a pool count no
--   more. p_deadline_grace: seconds from the hard limit until the attempt is lost. p_limit_gap: seconds for which a slot may be
--   free without ending the time at the limit (app/tasks/run/timing.py).
-- Returns. One row for each claimed task, with the token that proves the right to end it. deadline_at: the hard limit plus
--   the grace. has_more: the tenant has more due tasks and a slot for them.
--   If one tenant is asked for and it has one task waiting, plain statements claim it: a row that is found by its key needs
--   no join (docs/decisions/0015-one-task-by-plain-statements.md). Otherwise one statement claims for all tenants.
-- Locks. tenant_slots in the order of tenant ids; then backlog, skipping rows that are locked; then task.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION tasks_claim(
    p_pool text, p_worker uuid, p_tenants uuid[], p_limits integer[], p_key uuid, p_dead_after double precision,
    p_deadline_grace double precision, p_limit_gap double precision
)
RETURNS TABLE (
    tenant_id uuid, task_id uuid, task text, payload json, attempt integer, failed_attempts integer,
    max_attempts integer, claim_token uuid, time_limit_seconds double precision, timeout_seconds double precision,
    deadline_at timestamptz, cancel_requested boolean, traceparent text, plan text, result_bytes integer,
    has_webhook boolean, has_more boolean
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ignored text;
    unjudged integer;
    -- The tenant's own workers have a limit of their own, and no caps.
    is_remote boolean := p_pool LIKE 'remote:%';
    pool_bit smallint := CASE p_pool WHEN 'prefork' THEN 1 WHEN 'asyncio' THEN 2 WHEN 'http' THEN 4 ELSE 0 END;
    -- 16 of the 32 digits of a UUID, with two hyphens between them.
    key_half text := left(p_key::text, 18);
    -- The rest is for a tenant with one task.
    waits tid[];
    slots record;
    due uuid;
    due_at timestamptz;
    claimed integer;
    -- The part of claimed that is in running, and not in leased.
    counted integer;
BEGIN
    IF cardinality(p_tenants) = 1 THEN
        -- Set as below. An assignment costs less than a statement.
        ignored := set_config('synchronous_commit', 'off', true);
        ignored := set_config('app.tenant_ids', p_tenants::text, true);
        -- Looks for two rows of the backlog, of any time and priority: more need not be known. Only the index of due work can
        -- answer a comparison of rows that begin with the pool.
        waits := ARRAY(
            SELECT l.ctid FROM backlog l
            WHERE (l.pool, l.tenant_id) >= (p_pool, p_tenants[1]) AND (l.pool, l.tenant_id) <= (p_pool, p_tenants[1])
            ORDER BY l.pool, l.tenant_id, l.priority, l.due_at LIMIT 2
        );
    END IF;
    IF cardinality(waits) = 0 THEN
        RETURN;
    ELSIF cardinality(waits) = 1 THEN
        -- Locks the slots, as every claim and end, and finds how many tasks may start, as below.
        SELECT s.held_back, t.plan, (t.limits ->> 'result_bytes')::integer AS result_bytes,
            CASE WHEN is_remote THEN s.lease_limit - s.leased ELSE s.running_limit - s.running END AS of_limit,
            s.full_since, coalesce(s.full_until, now()) AS full_until,
            CASE p_pool WHEN 'prefork'
                THEN slots_cap(s.cap_prefork, s.short_until_prefork, p.unjudged_cap)
                    - (s.running - s.running_asyncio - s.running_http)
                WHEN 'asyncio'
                THEN slots_cap(s.cap_asyncio, s.short_until_asyncio, p.unjudged_cap) - s.running_asyncio
                WHEN 'http' THEN slots_cap(s.cap_http, s.short_until_http, p.unjudged_cap) - s.running_http
            END AS of_pool
        INTO slots
        FROM tenant_slots s
        JOIN tenant t ON t.id = s.tenant_id AND t.status = 'active' AND NOT t.queue_paused
            AND NOT t.queue_paused_by_tenant
        LEFT JOIN pool_slots p ON p.pool = p_pool AND p.judged_at > now() - make_interval(secs => p_dead_after)
        WHERE s.tenant_id = p_tenants[1] FOR UPDATE OF s;
        IF NOT FOUND THEN RETURN; END IF;
        IF least(slots.of_limit, slots.of_pool, p_limits[1]) > 0 THEN
            -- Deletes the row by its place (ctid), if it is due. SKIP LOCKED: a claim must not wait for a row that somebody
            -- else holds. An expired task is left to the dispatcher, which ends it.
            DELETE FROM backlog b WHERE b.ctid = (
                SELECT l.ctid FROM backlog l
                WHERE l.ctid = waits[1] AND l.due_at <= now() AND (l.expires_at IS NULL OR l.expires_at > now())
                FOR UPDATE SKIP LOCKED
            ) RETURNING b.task_id INTO due;
        END IF;
        IF due IS NULL THEN
            -- Notes in held_back that the cap keeps the task back, as below.
            IF slots.of_pool < 1 AND slots.of_limit > 0 AND slots.held_back & pool_bit = 0 THEN
                UPDATE tenant_slots s SET held_back = s.held_back | pool_bit WHERE s.tenant_id = p_tenants[1];
            END IF;
            RETURN;
        END IF;
        -- Starts the task, with a new token. A task whose row of the backlog was left over by mistake is not started.
        UPDATE task k
        SET status = 'STARTED', attempt = k.attempt + 1,
            claim_token = overlay(gen_random_uuid()::text PLACING key_half FROM 1)::uuid,
            started_at = coalesce(k.started_at, now()), progress = NULL
        WHERE k.tenant_id = p_tenants[1] AND k.id = due AND k.status IN ('PENDING', 'RETRY')
        RETURNING k.tenant_id, k.id, k.task, k.payload, k.attempt, k.failed_attempts, k.max_attempts, k.claim_token,
            k.time_limit_seconds, k.timeout_seconds, now() + make_interval(secs => k.time_limit_seconds + p_deadline_grace),
            k.cancel_requested_at IS NOT NULL, k.traceparent, k.webhook_url IS NOT NULL, k.due_at
        INTO tenant_id, task_id, task, payload, attempt, failed_attempts, max_attempts, claim_token, time_limit_seconds,
            timeout_seconds, deadline_at, cancel_requested, traceparent, has_webhook, due_at;
        claimed := FOUND::integer;
        counted := CASE WHEN is_remote THEN 0 ELSE claimed END;
        -- Nothing is left that the cap could keep back. The time at the limit begins or goes on, as below.
        UPDATE tenant_slots s
        SET running = s.running + counted, leased = s.leased + (claimed - counted), departed = s.departed + 1,
            running_asyncio = s.running_asyncio + CASE p_pool WHEN 'asyncio' THEN claimed ELSE 0 END,
            running_http = s.running_http + CASE p_pool WHEN 'http' THEN claimed ELSE 0 END,
            held_back = s.held_back & ~pool_bit,
            full_since = CASE WHEN s.running + counted < s.running_limit OR s.full_until IS NULL THEN s.full_since
                              WHEN s.full_until < now() - make_interval(secs => p_limit_gap) THEN now()
                              ELSE s.full_since + (now() - s.full_until) END,
            full_until = CASE WHEN s.running + counted < s.running_limit THEN coalesce(s.full_until, now()) END
        WHERE s.tenant_id = p_tenants[1];
        IF claimed = 1 THEN
            INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at, waited_seconds,
                                 limited_seconds)
            VALUES (p_tenants[1], due, tasks_claim.attempt, tasks_claim.claim_token, p_worker, tasks_claim.deadline_at,
                    date_part('epoch', now() - due_at),
                    CASE WHEN is_remote THEN 0
                         ELSE greatest(date_part('epoch', slots.full_until - greatest(due_at, slots.full_since)), 0) END);
            plan := slots.plan;
            result_bytes := slots.result_bytes;
            has_more := false;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    -- The commit does not wait for the disk. If a crash undoes it, the tasks are claimed again with new tokens, and a worker
    -- with an old token can end nothing. The tenants of row-level security are set in the same statement, to save one.
    -- unjudged stays null if the dispatcher has not judged the pool lately: then there are no caps.
    SELECT set_config('synchronous_commit', 'off', true), set_config('app.tenant_ids', p_tenants::text, true), (
        SELECT p.unjudged_cap FROM pool_slots p
        WHERE p.pool = p_pool AND p.judged_at > now() - make_interval(secs => p_dead_after)
    ) INTO ignored, ignored, unjudged;
    RETURN QUERY
    WITH free AS MATERIALIZED (
        -- Locks the slots of the tenants and finds how many tasks each may start: of_limit by its running limit, of_pool by
        -- its cap in the pool. Tenants are locked in the same order as in attempts_finish, so that two workers cannot
        -- deadlock. MATERIALIZED: two parts read the rows, and the locks must be taken once.
        -- most: a prefork child claims a batch and runs it one after the other in one slot, so its claim may exceed the cap;
        -- in the other pools each task takes a slot.
        SELECT f.*, least(f.of_limit, f.of_pool) AS slots,
            CASE WHEN f.of_pool < 1 THEN 0 WHEN p_pool = 'prefork' THEN least(f.wanted, f.of_limit)
                 ELSE least(f.wanted, f.of_limit, f.of_pool) END AS most
        FROM (
            SELECT s.tenant_id, w.wanted, s.held_back, t.plan, (t.limits ->> 'result_bytes')::integer AS result_bytes,
                s.full_since, coalesce(s.full_until, now()) AS full_until,
                CASE WHEN is_remote THEN s.lease_limit - s.leased ELSE s.running_limit - s.running END AS of_limit,
                CASE p_pool WHEN 'prefork'
                    THEN slots_cap(s.cap_prefork, s.short_until_prefork, unjudged)
                        - (s.running - s.running_asyncio - s.running_http)
                    WHEN 'asyncio'
                    THEN slots_cap(s.cap_asyncio, s.short_until_asyncio, unjudged) - s.running_asyncio
                    WHEN 'http' THEN slots_cap(s.cap_http, s.short_until_http, unjudged) - s.running_http
                END AS of_pool
            FROM unnest(p_tenants, p_limits) AS w (tenant_id, wanted)
            JOIN tenant_slots s ON s.tenant_id = w.tenant_id
            JOIN tenant t ON t.id = s.tenant_id AND t.status = 'active' AND NOT t.queue_paused
                AND NOT t.queue_paused_by_tenant
            ORDER BY s.tenant_id
            FOR UPDATE OF s
        ) AS f
    ), due AS MATERIALIZED (
        -- Each tenant's next tasks, locked. LATERAL with a LIMIT for each priority: the index is read in its own order, at
        -- most f.most rows of each, and the backlog is not sorted. Only these few rows are sorted by the time since when
        -- they are due, where each step of priority counts as one minute more. SKIP LOCKED: a claim must not wait for a row
        -- that somebody else holds. Expired tasks are left to the dispatcher, which ends them. MATERIALIZED: the rows are
        -- locked and numbered once.
        SELECT f.tenant_id, f.full_since, f.full_until, first.task_id, first.row_place, first.place
        FROM free f CROSS JOIN LATERAL (
            SELECT b.task_id, b.row_place, row_number() OVER () AS place FROM (
                SELECT w.task_id, w.row_place, w.due_at, w.priority
                FROM generate_series(9, 0, -1) AS p, LATERAL (
                    SELECT l.task_id, l.ctid AS row_place, l.due_at, l.priority FROM backlog l
                    WHERE l.tenant_id = f.tenant_id AND l.pool = p_pool AND l.priority = p AND l.due_at <= now()
                      AND (l.expires_at IS NULL OR l.expires_at > now())
                    ORDER BY l.due_at LIMIT f.most FOR UPDATE SKIP LOCKED
                ) AS w
                ORDER BY w.due_at - w.priority * interval '1 minute', w.task_id
                LIMIT f.most
            ) AS b
        ) AS first
        WHERE f.most > 0
    ), taken AS (
        -- Deletes the rows by their place (ctid): they are locked, so the place is right, and no plan can read more.
        DELETE FROM backlog b USING due WHERE b.ctid = due.row_place
        RETURNING b.tenant_id, b.task_id, due.place, due.full_since, due.full_until
    ), started AS (
        -- Starts the tasks, with a new token each. A task whose row of the backlog was left over by mistake is not started.
        UPDATE task k
        SET status = 'STARTED', attempt = k.attempt + 1,
            claim_token = overlay(gen_random_uuid()::text PLACING key_half FROM 1)::uuid,
            started_at = coalesce(k.started_at, now()), progress = NULL
        FROM taken
        -- Only the key can answer a comparison of rows; id alone selects the partition
        -- (docs/decisions/0010-plans-whatever-statistics-know.md).
        WHERE (k.tenant_id, k.id) >= (taken.tenant_id, taken.task_id)
          AND (k.tenant_id, k.id) <= (taken.tenant_id, taken.task_id)
          AND k.id = taken.task_id AND k.status IN ('PENDING', 'RETRY')
        RETURNING k.*, taken.place, taken.full_since, taken.full_until, now() + make_interval(secs => k.time_limit_seconds + p_deadline_grace) AS deadline_at
    ), attempts AS (
        -- One row for each attempt. A data-modifying WITH runs to its end even if nothing reads it. limited_seconds: the part
        -- of the wait that lies in the latest period at the limit.
        INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at, waited_seconds,
                             limited_seconds)
        SELECT k.tenant_id, k.id, k.attempt, k.claim_token, p_worker, k.deadline_at, date_part('epoch', now() - k.due_at),
            CASE WHEN is_remote THEN 0 ELSE greatest(date_part('epoch', k.full_until - greatest(k.due_at, k.full_since)), 0) END
        FROM started k
    ), counts AS MATERIALIZED (
        -- For each tenant: rows that left the backlog, and tasks that started. They differ if such a row was left over.
        SELECT seen.tenant_id, count(*) FILTER (WHERE NOT seen.is_started)::integer AS taken,
            count(*) FILTER (WHERE seen.is_started AND NOT is_remote)::integer AS claimed,
            count(*) FILTER (WHERE seen.is_started AND is_remote)::integer AS leased
        FROM (SELECT t.tenant_id, false FROM taken t UNION ALL SELECT k.tenant_id, true FROM started k)
            AS seen (tenant_id, is_started)
        GROUP BY seen.tenant_id
    ), more AS MATERIALIZED (
        -- Is more due for the tenant? This is asked once, not for each task, and only if the answer matters. All parts see
        -- the backlog as it was before the deletion, so more is due if it has one task more than were taken.
        SELECT f.tenant_id, f.plan, f.result_bytes, c.taken, c.claimed, c.leased, f.slots > f.wanted AS has_slot,
            c.taken = f.most AND (f.slots > f.wanted OR f.of_pool < f.of_limit) AND (
                SELECT count(*) > c.taken FROM (
                    SELECT FROM generate_series(9, 0, -1) AS p, LATERAL (
                        SELECT FROM backlog l
                        WHERE l.tenant_id = f.tenant_id AND l.pool = p_pool AND l.priority = p AND l.due_at <= now()
                        ORDER BY l.due_at LIMIT c.taken + 1
                    ) AS w LIMIT c.taken + 1
                ) AS seen
            ) AS has_due
        FROM free f LEFT JOIN counts c ON c.tenant_id = f.tenant_id
        -- Also tenants that got nothing because of their cap, if held_back does not say so yet.
        WHERE c.taken > 0 OR (
            f.of_pool < 1 AND f.of_limit > 0 AND f.held_back & pool_bit = 0 AND EXISTS (
                SELECT FROM backlog l
                WHERE (l.pool, l.tenant_id) >= (p_pool, f.tenant_id) AND (l.pool, l.tenant_id) <= (p_pool, f.tenant_id)
            )
        )
    ), counted AS (
        -- Counts what has started and left. Notes in held_back whether the cap kept due tasks back in this pool, so that
        -- the end of an attempt there knows that it frees a slot (attempts_finish). A tenant without a change is not written.
        -- A tenant that comes to its limit begins a new period there, or goes on with the one that has just been interrupted.
        UPDATE tenant_slots s
        SET running = s.running + coalesce(m.claimed, 0), leased = s.leased + coalesce(m.leased, 0), departed = s.departed + coalesce(m.taken, 0),
            running_asyncio = s.running_asyncio + CASE p_pool WHEN 'asyncio' THEN coalesce(m.claimed, 0) ELSE 0 END,
            running_http = s.running_http + CASE p_pool WHEN 'http' THEN coalesce(m.claimed, 0) ELSE 0 END,
            held_back = CASE WHEN m.taken IS NULL OR (m.has_due AND NOT m.has_slot) THEN s.held_back | pool_bit
                             ELSE s.held_back & ~pool_bit END,
            full_since = CASE WHEN s.running + coalesce(m.claimed, 0) < s.running_limit OR s.full_until IS NULL THEN s.full_since
                              WHEN s.full_until < now() - make_interval(secs => p_limit_gap) THEN now()
                              ELSE s.full_since + (now() - s.full_until) END,
            full_until = CASE WHEN m.taken IS NULL THEN s.full_until
                              WHEN s.running + m.claimed < s.running_limit THEN coalesce(s.full_until, now()) END
        FROM more m
        WHERE s.tenant_id = m.tenant_id
    )
    SELECT k.tenant_id, k.id, k.task, k.payload, k.attempt, k.failed_attempts, k.max_attempts::integer, k.claim_token,
        k.time_limit_seconds, k.timeout_seconds, k.deadline_at, k.cancel_requested_at IS NOT NULL, k.traceparent,
        m.plan, m.result_bytes, k.webhook_url IS NOT NULL, m.has_due AND m.has_slot
    FROM started k JOIN more m ON m.tenant_id = k.tenant_id
    -- The first task of each tenant, then the second of each: a worker with several tenants starts with all of them.
    ORDER BY k.place;
END $$;
