-- Purpose. Drop the days of events that are completely before a time. A day stays for the next call if it is in use, or if it
--   contains an event whose delivery is not made yet.
-- Parameters. p_before: a time. If it is within the longest event_hours of any tenant, the end of these hours counts instead,
--   because no caller may delete what has to be kept.
-- Returns. How many days were dropped.
-- Locks. As drop_partition, for each day.
-- Called by. app/events/store.py.
CREATE OR REPLACE FUNCTION drop_event_days(p_before timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    oldest_kept timestamptz;
    old record;
    dropped integer := 0;
BEGIN
    SELECT least(p_before, now() - make_interval(hours => coalesce(
        max(coalesce((t.limits ->> 'event_hours')::integer, plan_event_hours(t.plan))), 0)))
    INTO oldest_kept FROM tenant t;
    FOR old IN
        SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'event'::regclass AND c.relname ~ '_p[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + interval '1 day' <= oldest_kept
    LOOP
        -- Kept while a delivery of this day is not made. Only for tenants whose cursor is behind, the index of the day is read.
        dropped := dropped + drop_partition(old.name, format(
            'SELECT FROM tenant_slots s LEFT JOIN webhook_cursor c ON c.tenant_id = s.tenant_id '
            'WHERE s.webhook_seq > coalesce(c.seq, 0) AND EXISTS (SELECT FROM %I e '
            'WHERE e.tenant_id = s.tenant_id AND e.webhook_seq > coalesce(c.seq, 0))', old.name))::integer;
    END LOOP;
    RETURN dropped;
END $$;
