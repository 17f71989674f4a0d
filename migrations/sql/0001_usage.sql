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
