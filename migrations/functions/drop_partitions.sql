-- Purpose. Drop the partitions that are completely before a time and empty. A partition that is in use stays for the next
--   call. The current month and later ones stay, whatever p_before is.
-- Parameters. p_before: a time.
-- Returns. How many partitions were dropped.
-- Locks. As drop_partition, for each partition.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION drop_partitions(p_before timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    old record;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.relname AS name FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass, 'task_log'::regclass)
          AND c.relname ~ '_p[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= least(p_before, now())
    LOOP
        dropped := dropped + drop_partition(old.name, format('SELECT FROM %I', old.name))::integer;
    END LOOP;
    RETURN dropped;
END $$;
