-- Purpose. Drop the days of events that lie wholly before a time. A busy day is left for the next time, and so is one
--   that holds an event without its delivery.
-- Parameters. p_before: a time; one within the event_hours of some tenant counts as their end, since no caller may
--   delete what is kept.
-- Returns. How many days were dropped.
-- Locks. Each day in turn, ACCESS EXCLUSIVE, for at most 50 ms.
-- Called by. app/events/store.py.
CREATE OR REPLACE FUNCTION drop_event_days(p_before timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '50ms'
AS $$
DECLARE
    oldest_kept timestamptz;
    old record;
    is_read boolean;
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
        BEGIN
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', old.name);
            EXECUTE format(
                'SELECT NOT EXISTS (SELECT FROM tenant_slots s LEFT JOIN webhook_cursor c ON c.tenant_id = s.tenant_id '
                'WHERE s.webhook_seq > coalesce(c.seq, 0) AND EXISTS (SELECT FROM %I e '
                'WHERE e.tenant_id = s.tenant_id AND e.webhook_seq > coalesce(c.seq, 0)))', old.name) INTO is_read;
            IF is_read THEN
                EXECUTE format('DROP TABLE %I', old.name);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN dropped;
END $$;
