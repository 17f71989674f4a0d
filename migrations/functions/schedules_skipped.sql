-- Purpose. Append an event for each fire that made no task, in the transaction that records it.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner. p_fires: as in schedules_record; those with a task are left out.
-- Returns. How many events were written: none if the tenant neither reads its events nor has endpoints.
-- Locks. tenant_slots (event_append). Call it after tasks are accepted in the same transaction.
-- Called by. app/schedules/store.py.
CREATE OR REPLACE FUNCTION schedules_skipped(p_tenant uuid, p_fires jsonb)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    skipped record;
    written integer := 0;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN 0; END IF;
    FOR skipped IN
        SELECT f.schedule_id AS id, f.outcome, f.reason, f.count,
            (SELECT s.name FROM schedule s WHERE s.tenant_id = p_tenant AND s.id = f.schedule_id LIMIT 1) AS name,
            to_char(f.fire_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS fire_at,
            to_char(f.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS until
        FROM jsonb_to_recordset(p_fires) AS f (
            schedule_id uuid, fire_at timestamptz, outcome text, reason text, count integer, until timestamptz)
        WHERE f.outcome <> 'fired'
        ORDER BY f.schedule_id, f.fire_at
    LOOP
        written := written + (event_append(p_tenant, 9::smallint, skipped.id, jsonb_build_object(
            'schedule_id', skipped.id, 'name', skipped.name, 'outcome', skipped.outcome, 'reason', skipped.reason,
            'fire_at', skipped.fire_at, 'count', skipped.count, 'until', skipped.until)) IS NOT NULL)::integer;
    END LOOP;
    RETURN written;
END $$;
