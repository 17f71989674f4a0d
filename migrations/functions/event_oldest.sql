-- Purpose. Return the number of the oldest event of a tenant that was created at a time or later.
-- Parameters. p_tenant: the tenant. p_head: the number of its latest event. p_from: the time.
-- Returns. The number; p_head + 1 if there is no such event.
-- Locks. None.
-- Called by. events_page.
CREATE OR REPLACE FUNCTION event_oldest(p_tenant uuid, p_head bigint, p_from timestamptz)
RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    low bigint := 1;
    high bigint := p_head + 1;
    middle bigint;
BEGIN
    -- A binary search, because there is no index by time: some 20 probes of the key for a million events. Numbers are in the
    -- order of time, except for transactions that ran at the same time. A day that was dropped counts as older.
    WHILE low < high LOOP
        middle := (low + high) / 2;
        PERFORM FROM event e WHERE e.tenant_id = p_tenant AND e.seq = middle AND e.created_at >= p_from;
        IF FOUND THEN high := middle; ELSE low := middle + 1; END IF;
    END LOOP;
    RETURN low;
END $$;
