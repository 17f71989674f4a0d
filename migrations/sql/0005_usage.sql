-- Count n more tasks for each tenant in its day, its month and its backlog, in the order of the ids (unordered, two
-- processes lock each other out). A limit of -1 is none. Returns for each tenant how many were granted, which limit
-- refused the rest (where several do: the one that lasts longest), what is used after it, and in how many seconds day
-- and month end.
CREATE FUNCTION usage_reserve(p_tenants uuid[], p_counts integer[], p_day_limits bigint[], p_month_limits bigint[],
                              p_backlog_limits bigint[])
    RETURNS TABLE (tenant_id uuid, granted integer, refused_by text, day_used bigint, month_used bigint, waiting bigint,
                   day_ends_in integer, month_ends_in integer)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted record;
    today date := (now() AT TIME ZONE 'UTC')::date;
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    ever bigint;
    day_left bigint;
    month_left bigint;
    backlog_left bigint;
    room bigint;
BEGIN
    day_ends_in := ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')));
    month_ends_in := ceil(extract(epoch FROM month + interval '1 month' - (now() AT TIME ZONE 'UTC')));
    FOR wanted IN
        SELECT u.t, u.n, u.d, u.m, u.b
        FROM unnest(p_tenants, p_counts, p_day_limits, p_month_limits, p_backlog_limits) AS u(t, n, d, m, b)
        ORDER BY u.t
    LOOP
        -- The one lock of a tenant's submits: what follows is written only by who holds it.
        LOOP
            SELECT a.admitted INTO ever FROM tenant_admitted a WHERE a.tenant_id = wanted.t FOR NO KEY UPDATE;
            EXIT WHEN FOUND;
            INSERT INTO tenant_admitted (tenant_id) VALUES (wanted.t) ON CONFLICT DO NOTHING;
        END LOOP;
        -- After the lock, so that it sees what its last holder wrote. Slots are not locked: a claim or a cancel that
        -- has not committed yet makes this count too high, never too low.
        SELECT coalesce((SELECT g.used FROM usage g
                         WHERE g.tenant_id = wanted.t AND g.period = 'day' AND g.starts_on = today), 0),
               coalesce((SELECT g.used FROM usage g
                         WHERE g.tenant_id = wanted.t AND g.period = 'month' AND g.starts_on = month), 0),
               ever + coalesce((SELECT s.returned - s.departed FROM tenant_slots s WHERE s.tenant_id = wanted.t), 0)
            INTO day_used, month_used, waiting;
        day_left := CASE WHEN wanted.d >= 0 THEN greatest(0, wanted.d - day_used) END;
        month_left := CASE WHEN wanted.m >= 0 THEN greatest(0, wanted.m - month_used) END;
        backlog_left := CASE WHEN wanted.b >= 0 THEN greatest(0, wanted.b - waiting) END;
        room := least(day_left, month_left, backlog_left);
        granted := least(wanted.n, room);
        refused_by := CASE WHEN granted = wanted.n THEN NULL WHEN room = month_left THEN 'month'
                           WHEN room = day_left THEN 'day' ELSE 'backlog' END;
        IF granted > 0 THEN
            UPDATE tenant_admitted a SET admitted = a.admitted + usage_reserve.granted WHERE a.tenant_id = wanted.t;
            INSERT INTO usage AS g (tenant_id, period, starts_on, used)
                VALUES (wanted.t, 'day', today, granted), (wanted.t, 'month', month, granted)
                ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET used = g.used + excluded.used;
        END IF;
        tenant_id := wanted.t;
        day_used := day_used + granted;
        month_used := month_used + granted;
        waiting := waiting + granted;
        RETURN NEXT;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION usage_reserve FROM public;
GRANT EXECUTE ON FUNCTION usage_reserve TO tq_submit;
