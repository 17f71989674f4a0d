-- Count n more tasks for each tenant in its day, its month and its backlog. A limit of -1 is none. Each tenant is named
-- once. Returns for each, in the order of the ids, how many were granted, which limit refused the rest (where several do:
-- the one that lasts longest), what is used after it, and in how many seconds day and month end. One statement for
-- all: each that names a tenant's table reads the scope anew, whose length is the number of tenants.
CREATE OR REPLACE FUNCTION usage_reserve(p_tenants uuid[], p_counts integer[], p_day_limits bigint[],
                                         p_month_limits bigint[], p_backlog_limits bigint[])
    RETURNS TABLE (tenant_id uuid, granted integer, refused_by text, day_used bigint, month_used bigint, waiting bigint,
                   day_ends_in integer, month_ends_in integer)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    to_day_end integer := ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')));
    to_month_end integer := ceil(extract(epoch FROM month + interval '1 month' - (now() AT TIME ZONE 'UTC')));
    tenants uuid[];
    admitted bigint[];
BEGIN
    -- The one lock of a tenant's submits: what follows is written only by who holds it. In the order of the ids, new
    -- rows before old ones: in another, two processes lock each other out.
    IF EXISTS (SELECT FROM unnest(p_tenants) AS u (t)
               WHERE NOT EXISTS (SELECT FROM tenant_admitted a WHERE a.tenant_id = u.t)) THEN
        INSERT INTO tenant_admitted (tenant_id) SELECT u.t FROM unnest(p_tenants) AS u (t)
        WHERE NOT EXISTS (SELECT FROM tenant_admitted a WHERE a.tenant_id = u.t) ORDER BY u.t
        ON CONFLICT DO NOTHING;
    END IF;
    SELECT array_agg(a.tenant_id), array_agg(a.admitted) INTO tenants, admitted
    FROM (SELECT a.tenant_id, a.admitted FROM tenant_admitted a WHERE a.tenant_id = ANY(p_tenants)
          ORDER BY a.tenant_id FOR NO KEY UPDATE) AS a;
    -- A statement after the lock, so that it sees what its last holder wrote. Slots are not locked: a claim or a cancel
    -- that has not committed yet makes this count too high, never too low.
    RETURN QUERY
    WITH used AS MATERIALIZED (
        SELECT u.t, u.n, u.d, u.m, u.b,
            coalesce((SELECT g.used FROM usage g
                      WHERE g.tenant_id = u.t AND g.period = 'day' AND g.starts_on = today), 0) AS of_day,
            coalesce((SELECT g.used FROM usage g
                      WHERE g.tenant_id = u.t AND g.period = 'month' AND g.starts_on = month), 0) AS of_month,
            l.ever + coalesce((SELECT s.returned - s.departed FROM tenant_slots s WHERE s.tenant_id = u.t), 0)
                AS of_backlog
        FROM unnest(p_tenants, p_counts, p_day_limits, p_month_limits, p_backlog_limits) AS u (t, n, d, m, b)
        JOIN unnest(tenants, admitted) AS l (t, ever) ON l.t = u.t
    ), room AS MATERIALIZED (
        SELECT u.*, least(u.n, r.day, r.month, r.backlog)::integer AS granted,
            CASE least(r.day, r.month, r.backlog)
                WHEN r.month THEN 'month' WHEN r.day THEN 'day' ELSE 'backlog' END AS narrowest
        FROM used u, LATERAL (
            SELECT CASE WHEN u.d >= 0 THEN greatest(0, u.d - u.of_day) END AS day,
                CASE WHEN u.m >= 0 THEN greatest(0, u.m - u.of_month) END AS month,
                CASE WHEN u.b >= 0 THEN greatest(0, u.b - u.of_backlog) END AS backlog
        ) AS r
    ), counted AS (
        UPDATE tenant_admitted a SET admitted = a.admitted + r.granted FROM room r
        WHERE a.tenant_id = r.t AND r.granted > 0
    ), added AS (
        INSERT INTO usage AS g (tenant_id, period, starts_on, used)
        SELECT r.t, p.period, p.starts_on, r.granted
        FROM room r, (VALUES ('day', today), ('month', month)) AS p (period, starts_on) WHERE r.granted > 0
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET used = g.used + excluded.used
    )
    SELECT r.t, r.granted, CASE WHEN r.granted < r.n THEN r.narrowest END, r.of_day + r.granted,
        r.of_month + r.granted, r.of_backlog + r.granted, to_day_end, to_month_end
    FROM room r ORDER BY r.t;
END $$;
REVOKE ALL ON FUNCTION usage_reserve FROM public;
GRANT EXECUTE ON FUNCTION usage_reserve TO tq_submit;
