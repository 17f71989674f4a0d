-- Purpose. Count new tasks of several tenants and store those that the limits allow: the oldest of each tenant. It runs as
--   one statement, in a transaction of its own.
-- Parameters. p_tenants: the tenants, each once. p_asked: how many tasks each of them asks for. p_day_limit,
--   p_month_limit, p_backlog_limit: its limits, as in usage_reserve. The others are columns of the tasks; the tasks of a
--   tenant stand oldest first. p_id has an element for each task. Of the columns up to p_time_limit_seconds, one with a
--   single element holds for all tasks; an empty one of the rest is null for all. p_payload: JSON text. p_time_limit_seconds,
--   p_timeout_seconds: seconds. p_delay_seconds, p_expires_seconds: seconds from now. p_tags: a JSON array. p_metadata: a JSON object.
--   p_dead_after: seconds after which the numbers of a pool count no more (app/tasks/run/timing.py).
-- Returns. The same as usage_reserve, without has_crossed.
-- Locks. tenant_admitted in the order of tenant ids (usage_reserve); then usage_by_task in the order of its key. If a type is long or
--   tasks cross 80 or 100 percent of a quota, also tenant_slots in the order of tenant ids; if a type is long, then pool_slots in
--   the order of pools.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION tasks_accept(
    p_tenants uuid[], p_asked integer[], p_day_limit bigint[], p_month_limit bigint[], p_backlog_limit bigint[],
    p_tenant_id uuid[], p_id uuid[], p_task text[], p_pool text[], p_priority smallint[], p_payload text[],
    p_max_attempts smallint[], p_time_limit_seconds double precision[], p_delay_seconds double precision[],
    p_scheduled_at timestamptz[], p_expires_seconds double precision[], p_timeout_seconds double precision[],
    p_tags text[], p_webhook_url text[], p_retry_of uuid[], p_traceparent text[], p_metadata text[],
    p_dead_after double precision
)
RETURNS TABLE (
    tenant_id uuid, granted integer, refused_by text, day_used bigint, month_used bigint, waiting bigint,
    day_ends_in integer, month_ends_in integer
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    counted uuid[];
    grants integer[];
    long_types text[];
    judged uuid[];
    pools text[];
    counts integer[];
    has_crossed boolean;
    crossed uuid[];
    crossed_grants integer[];
    crossed_days bigint[];
    crossed_months bigint[];
    ignored text;
BEGIN
    -- Row-level security shows and accepts rows of these tenants only, until the transaction ends. The long types are read
    -- in the same statement, because one statement costs less than two.
    SELECT set_config('app.tenant_ids', p_tenants::text, true), ARRAY(SELECT t.task FROM long_task_type t)
    INTO ignored, long_types;
    -- The rows of usage_reserve are the answer. The grants are also kept in arrays, because the statement below needs
    -- them.
    FOR tenant_id, granted, refused_by, day_used, month_used, waiting, day_ends_in, month_ends_in, has_crossed IN
        SELECT r.*
        FROM usage_reserve(p_tenants, p_asked, p_day_limit, p_month_limit, p_backlog_limit) AS r
    LOOP
        counted := counted || tasks_accept.tenant_id;
        grants := grants || tasks_accept.granted;
        IF has_crossed THEN
            crossed := crossed || tasks_accept.tenant_id;
            crossed_grants := crossed_grants || tasks_accept.granted;
            crossed_days := crossed_days || tasks_accept.day_used;
            crossed_months := crossed_months || tasks_accept.month_used;
        END IF;
        RETURN NEXT;
    END LOOP;
    WITH incoming AS MATERIALIZED (
        -- The tasks that are granted: those of each tenant up to its number, oldest first. coalesce repeats a column of one
        -- element. MATERIALIZED: computed once for the three parts that insert; no part reads what another one inserts.
        SELECT w.*, greatest(now(), coalesce(w.scheduled_for, now() + make_interval(secs => w.delay))) AS due_at,
            now() + make_interval(secs => w.expires) AS expires_at
        FROM (
            SELECT coalesce(u.tenant_id, p_tenant_id[1]) AS tenant_id, u.id, coalesce(u.task, p_task[1]) AS task,
                coalesce(u.pool, p_pool[1]) AS pool, coalesce(u.priority, p_priority[1]) AS priority,
                coalesce(u.payload, p_payload[1]) AS payload,
                coalesce(u.max_attempts, p_max_attempts[1]) AS max_attempts,
                coalesce(u.time_limit, p_time_limit_seconds[1]) AS time_limit, u.delay, u.scheduled_for, u.expires,
                u.timeout, u.tags, u.webhook_url, u.retry_of, u.traceparent, u.metadata,
                row_number() OVER (PARTITION BY coalesce(u.tenant_id, p_tenant_id[1]) ORDER BY u.number) AS place
            FROM unnest(p_tenant_id, p_id, p_task, p_pool, p_priority, p_payload, p_max_attempts, p_time_limit_seconds,
                        p_delay_seconds, p_scheduled_at, p_expires_seconds, p_timeout_seconds, p_tags, p_webhook_url,
                        p_retry_of, p_traceparent, p_metadata) WITH ORDINALITY
                AS u (tenant_id, id, task, pool, priority, payload, max_attempts, time_limit, delay, scheduled_for,
                      expires, timeout, tags, webhook_url, retry_of, traceparent, metadata, number)
        ) AS w JOIN unnest(counted, grants) AS g (tenant_id, granted) ON g.tenant_id = w.tenant_id
        WHERE w.place <= g.granted
    ), stored AS (
        -- The time of a task in the future is kept in scheduled_at; due_at changes with each retry.
        INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, scheduled_at, expires_at, max_attempts,
                          time_limit_seconds, timeout_seconds, tags, webhook_url, retry_of, traceparent, metadata,
                          metadata_labels)
        SELECT i.tenant_id, i.id, i.task, i.pool, i.priority, i.payload::json, i.due_at,
            CASE WHEN i.due_at > now() THEN i.due_at END, i.expires_at, i.max_attempts, i.time_limit, i.timeout,
            CASE WHEN i.tags IS NULL THEN '{}' ELSE ARRAY(SELECT jsonb_array_elements_text(i.tags::jsonb)) END,
            i.webhook_url, i.retry_of, i.traceparent, i.metadata::jsonb, metadata_labels(i.tenant_id, i.metadata::jsonb)
        FROM incoming i
    ), counted_by_task AS (
        -- Counts in the order of the key, the same as usage_roll_up, so that the two cannot deadlock.
        INSERT INTO usage_by_task AS g (tenant_id, day, task, tasks)
        SELECT i.tenant_id, (now() AT TIME ZONE 'UTC')::date, i.task, count(*) FROM incoming i
        GROUP BY 1, 3 ORDER BY 1, 3
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE SET tasks = g.tasks + excluded.tasks
    )
    INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at, is_long)
    SELECT i.tenant_id, i.id, i.pool, i.priority, i.due_at, i.due_at > now(), i.expires_at, i.task = ANY(long_types)
    FROM incoming i;
    -- A tenant with long tasks gets a cap before the first of them starts (slots_judge_long).
    IF long_types && p_task THEN
        -- Counts the due long tasks of each tenant and pool, at most as many as were granted. By pool first: in this order
        -- slots_judge_long locks the pools.
        SELECT array_agg(l.tenant_id), array_agg(l.pool), array_agg(least(l.n, l.granted)) INTO judged, pools, counts FROM (
            SELECT g.tenant_id, coalesce(u.pool, p_pool[1]) AS pool, count(*)::integer AS n, min(g.granted) AS granted
            FROM unnest(p_tenant_id, p_id, p_task, p_pool, p_delay_seconds, p_scheduled_at)
                AS u (tenant_id, id, task, pool, delay, scheduled_for)
            JOIN unnest(counted, grants) AS g (tenant_id, granted)
                ON g.tenant_id = coalesce(u.tenant_id, p_tenant_id[1]) AND g.granted > 0
            WHERE coalesce(u.task, p_task[1]) = ANY(long_types)
              AND coalesce(u.scheduled_for, now() + make_interval(secs => coalesce(u.delay, 0))) <= now()
            GROUP BY 1, 2 ORDER BY 2, 1
        ) AS l;
    END IF;
    IF judged IS NOT NULL OR crossed IS NOT NULL THEN
        -- First all slots are locked in the order of claims and ends, then the pools in one order too. Otherwise two
        -- accepts with the same tenants and pools in different orders could deadlock.
        PERFORM FROM tenant_slots s WHERE s.tenant_id = ANY(judged || crossed) ORDER BY s.tenant_id FOR NO KEY UPDATE;
        PERFORM quotas_reached(c.tenant_id, c.granted, c.day_used, c.month_used, p_day_limit[c.place], p_month_limit[c.place])
        FROM (
            SELECT u.*, array_position(p_tenants, u.tenant_id) AS place
            FROM unnest(crossed, crossed_grants, crossed_days, crossed_months) AS u (tenant_id, granted, day_used, month_used)
        ) AS c;
        PERFORM slots_judge_long(j.tenant_id, j.pool, j.n, p_dead_after)
        FROM unnest(judged, pools, counts) AS j (tenant_id, pool, n);
    END IF;
END $$;
