-- Purpose. Count one new task of a tenant and store it if the limits allow. It means the same as tasks_accept for one task.
--   Its plain statements cost less (docs/decisions/0015-one-task-by-plain-statements.md).
-- Parameters. p_day_limit, p_month_limit, p_backlog_limit: the tenant's limits; -1 means no limit. The others are
--   columns of the tasks, as in tasks_accept, each with one value. p_dead_after: seconds after which the numbers of a pool
--   count no more (app/tasks/run/timing.py).
-- Returns. The same as tasks_accept: one row.
-- Locks. tenant_admitted, then usage_by_task. If the type is long or the task crosses 80 or 100 percent of a quota, also
--   tenant_slots; if the type is long, then pool_slots.
-- Called by. app/tasks/store.py.
CREATE OR REPLACE FUNCTION task_accept(
    p_day_limit bigint, p_month_limit bigint, p_backlog_limit bigint,
    p_tenant_id uuid, p_id uuid, p_task text, p_pool text, p_priority smallint, p_payload text, p_max_attempts smallint,
    p_time_limit_seconds double precision, p_delay_seconds double precision, p_scheduled_at timestamptz,
    p_expires_seconds double precision, p_timeout_seconds double precision, p_tags text, p_webhook_url text,
    p_retry_of uuid, p_traceparent text, p_metadata text, p_dead_after double precision
)
RETURNS TABLE (
    tenant_id uuid, granted integer, refused_by text, day_used bigint, month_used bigint, waiting bigint,
    day_ends_in integer, month_ends_in integer
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ignored text;
    today date := (now() AT TIME ZONE 'UTC')::date;
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    used record;
    queued bigint;
    due timestamptz := greatest(now(), coalesce(p_scheduled_at, now() + make_interval(secs => p_delay_seconds)));
    is_long boolean;
BEGIN
    ignored := set_config('app.tenant_ids', '{' || p_tenant_id || '}', true);
    tenant_id := p_tenant_id;
    day_ends_in := ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')));
    month_ends_in := ceil(extract(epoch FROM this_month + interval '1 month' - (now() AT TIME ZONE 'UTC')));
    -- The one lock of a tenant's submits. A tenant gets its row with its first submit. What was used on an earlier day does
    -- not count (usage_reserve).
    FOR attempts IN 1 .. 2 LOOP
        SELECT a.admitted, CASE WHEN a.day >= today THEN a.day_used ELSE 0 END AS day,
            CASE WHEN a.month >= this_month THEN a.month_used ELSE 0 END AS month
        INTO used FROM tenant_admitted a WHERE a.tenant_id = p_tenant_id FOR NO KEY UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO tenant_admitted (tenant_id) VALUES (p_tenant_id) ON CONFLICT DO NOTHING;
    END LOOP;
    -- This statement begins after the lock, so it sees what the last holder wrote. tenant_slots is not locked: a claim or a
    -- cancel that has not committed yet makes the number of waiting tasks too high, never too low.
    SELECT used.admitted + coalesce((SELECT s.returned - s.departed FROM tenant_slots s WHERE s.tenant_id = p_tenant_id), 0),
        EXISTS (SELECT FROM long_task_type t WHERE t.task = p_task)
    INTO queued, is_long;
    -- The limit that lasts longest is named: a month before a day, and a day before the backlog.
    refused_by := CASE WHEN p_month_limit <> -1 AND used.month >= p_month_limit THEN 'month'
                       WHEN p_day_limit <> -1 AND used.day >= p_day_limit THEN 'day'
                       WHEN p_backlog_limit <> -1 AND queued >= p_backlog_limit THEN 'backlog' END;
    granted := (refused_by IS NULL)::integer;
    day_used := used.day + granted;
    month_used := used.month + granted;
    waiting := queued + granted;
    IF granted = 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE tenant_admitted a
    SET admitted = a.admitted + 1, day = greatest(a.day, today), month = greatest(a.month, this_month),
        day_used = task_accept.day_used, month_used = task_accept.month_used
    WHERE a.tenant_id = p_tenant_id;
    UPDATE usage_by_task g SET tasks = g.tasks + 1
    WHERE g.tenant_id = p_tenant_id AND g.day = today AND g.task = p_task;
    IF NOT FOUND THEN
        -- usage_roll_up may insert the row meanwhile.
        INSERT INTO usage_by_task AS g (tenant_id, day, task, tasks) VALUES (p_tenant_id, today, p_task, 1)
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE SET tasks = g.tasks + 1;
    END IF;
    -- The time of a task in the future is kept in scheduled_at; due_at changes with each retry.
    INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, scheduled_at, expires_at, max_attempts,
                      time_limit_seconds, timeout_seconds, tags, webhook_url, retry_of, traceparent, metadata,
                      metadata_labels)
    VALUES (p_tenant_id, p_id, p_task, p_pool, p_priority, p_payload::json, due, CASE WHEN due > now() THEN due END,
            now() + make_interval(secs => p_expires_seconds), p_max_attempts, p_time_limit_seconds, p_timeout_seconds,
            CASE WHEN p_tags IS NULL THEN '{}' ELSE ARRAY(SELECT jsonb_array_elements_text(p_tags::jsonb)) END,
            p_webhook_url, p_retry_of, p_traceparent, p_metadata::jsonb,
            metadata_labels(p_tenant_id, p_metadata::jsonb));
    INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at, is_long)
    VALUES (p_tenant_id, p_id, p_pool, p_priority, due, due > now(),
            now() + make_interval(secs => p_expires_seconds), is_long);
    -- Last of all, because it locks tenant_slots until the commit; only the pools are locked later (quotas_reached).
    IF quota_crossed(granted, day_used, p_day_limit) OR quota_crossed(granted, month_used, p_month_limit) THEN
        PERFORM quotas_reached(p_tenant_id, granted, day_used, month_used, p_day_limit, p_month_limit);
    END IF;
    -- A tenant with long tasks gets a cap before the first of them starts.
    IF is_long AND due <= now() THEN
        PERFORM slots_judge_long(p_tenant_id, p_pool, 1, p_dead_after);
    END IF;
    RETURN NEXT;
END $$;
