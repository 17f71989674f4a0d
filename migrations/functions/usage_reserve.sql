-- Purpose. Count more tasks of several tenants in their day, month and backlog, as far as their limits allow. Each statement
--   handles all tenants together, because each statement reads the transaction's list of tenants again.
-- Parameters. p_tenants: the tenants, each once. p_counts: how many tasks each of them asks for. p_day_limits,
--   p_month_limits, p_backlog_limits: its limits; -1 means no limit.
-- Returns. For each tenant, in the order of ids: how many tasks were granted; which limit refused the rest (if several did,
--   the one that lasts longest); what is used including them; in how many seconds the day and the month end (UTC); whether they
--   have crossed 80 or 100 percent of a quota (quota_crossed).
-- Locks. tenant_admitted in the order of tenant ids.
-- Called by. tasks_accept.
CREATE OR REPLACE FUNCTION usage_reserve(
    p_tenants uuid[], p_counts integer[], p_day_limits bigint[], p_month_limits bigint[], p_backlog_limits bigint[]
)
RETURNS TABLE (
    tenant_id uuid, granted integer, refused_by text, day_used bigint, month_used bigint, waiting bigint,
    day_ends_in integer, month_ends_in integer, has_crossed boolean
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    tenants uuid[];
    admitted bigint[];
    days bigint[];
    months bigint[];
    wanted record;
    room bigint;
    given uuid[];
    grants integer[];
BEGIN
    day_ends_in := ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')));
    month_ends_in := ceil(extract(epoch FROM this_month + interval '1 month' - (now() AT TIME ZONE 'UTC')));
    -- tenant_admitted is the one lock of a tenant's submits: only its holder writes what follows. Rows are locked in the
    -- order of ids, and missing rows are inserted before any is locked, so that two processes cannot deadlock.
    IF (SELECT count(*) FROM tenant_admitted a WHERE a.tenant_id = ANY(p_tenants)) < cardinality(p_tenants) THEN
        INSERT INTO tenant_admitted (tenant_id) SELECT u.t FROM unnest(p_tenants) AS u (t) ORDER BY u.t
        ON CONFLICT DO NOTHING;
    END IF;
    -- What was used on an earlier day does not count. A transaction that began before midnight may find the next day: then
    -- it counts in that one.
    SELECT array_agg(l.tenant_id), array_agg(l.admitted), array_agg(CASE WHEN l.day >= today THEN l.day_used ELSE 0 END),
        array_agg(CASE WHEN l.month >= this_month THEN l.month_used ELSE 0 END)
    INTO tenants, admitted, days, months
    FROM (SELECT a.* FROM tenant_admitted a WHERE a.tenant_id = ANY(p_tenants)
          ORDER BY a.tenant_id FOR NO KEY UPDATE) AS l;
    -- This statement begins after the lock, so it sees what the last holder wrote. tenant_slots is not locked: a claim or a
    -- cancel that has not committed yet makes this count too high, never too low.
    FOR wanted IN
        SELECT u.t, u.n, days[l.place] AS day, months[l.place] AS month,
            admitted[l.place] + coalesce((SELECT s.returned - s.departed FROM tenant_slots s WHERE s.tenant_id = u.t), 0) AS backlog,
            nullif(u.d, -1) AS most_of_day, nullif(u.m, -1) AS most_of_month, nullif(u.b, -1) AS most_of_backlog
        FROM unnest(p_tenants, p_counts, p_day_limits, p_month_limits, p_backlog_limits) AS u (t, n, d, m, b)
        -- OFFSET 0 keeps Postgres from copying the search to each place that uses it.
        CROSS JOIN LATERAL (SELECT array_position(tenants, u.t) AS place OFFSET 0) AS l
        ORDER BY u.t
    LOOP
        -- least() ignores null, so an unlimited quota does not restrict.
        room := greatest(0, least(wanted.most_of_day - wanted.day, wanted.most_of_month - wanted.month,
                                  wanted.most_of_backlog - wanted.backlog, wanted.n));
        tenant_id := wanted.t;
        granted := room;
        -- The limit that lasts longest is named: a month before a day, and a day before the backlog.
        refused_by := CASE WHEN room = wanted.n THEN NULL
                           WHEN wanted.most_of_month - wanted.month <= room THEN 'month'
                           WHEN wanted.most_of_day - wanted.day <= room THEN 'day' ELSE 'backlog' END;
        day_used := wanted.day + room;
        month_used := wanted.month + room;
        waiting := wanted.backlog + room;
        has_crossed := quota_crossed(granted, day_used, wanted.most_of_day) OR quota_crossed(granted, month_used, wanted.most_of_month);
        -- Only tenants that got something are written below.
        IF room > 0 THEN
            given := given || wanted.t;
            grants := grants || granted;
        END IF;
        RETURN NEXT;
    END LOOP;
    -- The holders of the locks add to their own rows only, so no order is needed here.
    IF given IS NOT NULL THEN
        UPDATE tenant_admitted a
        SET admitted = a.admitted + g.n, day = greatest(a.day, today), month = greatest(a.month, this_month),
            day_used = g.n + CASE WHEN a.day >= today THEN a.day_used ELSE 0 END,
            month_used = g.n + CASE WHEN a.month >= this_month THEN a.month_used ELSE 0 END
        FROM unnest(given, grants) AS g (t, n) WHERE a.tenant_id = g.t;
    END IF;
END $$;
