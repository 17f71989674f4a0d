-- Purpose. Append an event for each 80 and 100 percent of a tenant's day and month that newly accepted tasks have crossed.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner. p_granted: the new tasks. p_day_used, p_month_used: what is used, with them. p_day_limit, p_month_limit: its quotas;
--   -1 means no limit.
-- Returns. How many events were written: none if the tenant neither reads its events nor has endpoints.
-- Locks. tenant_slots (event_append). The caller holds tenant_admitted, so two submits cannot cross the same line.
-- Called by. task_accept, tasks_accept.
CREATE OR REPLACE FUNCTION quotas_reached(
    p_tenant uuid, p_granted integer, p_day_used bigint, p_month_used bigint, p_day_limit bigint, p_month_limit bigint
)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    line record;
    written integer := 0;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN 0; END IF;
    FOR line IN
        SELECT q.quota, k.percent, q.used, q.most, date_trunc(q.quota, now(), 'UTC') + ('1 ' || q.quota)::interval AS resets_at
        FROM (VALUES ('day', p_day_used, p_day_limit), ('month', p_month_used, p_month_limit)) AS q (quota, used, most)
        CROSS JOIN (VALUES (80), (100)) AS k (percent)
        -- The same lines as those of quota_crossed.
        CROSS JOIN LATERAL (SELECT CASE k.percent WHEN 80 THEN q.most - q.most / 5 ELSE q.most END AS at) AS l
        WHERE q.most > 0 AND q.used >= l.at AND q.used - p_granted < l.at
        ORDER BY q.quota, k.percent
    LOOP
        written := written + (event_append(p_tenant, 7::smallint, p_tenant, jsonb_build_object(
            'quota', line.quota, 'percent', line.percent, 'used', line.used, 'limit', line.most,
            'resets_at', to_char(line.resets_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) IS NOT NULL)::integer;
    END LOOP;
    RETURN written;
END $$;
