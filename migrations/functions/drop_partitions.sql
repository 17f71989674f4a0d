-- Purpose. Drop the partitions that are completely before a time and empty. A partition that is in use stays for the next
--   call. The current month and later ones stay, whatever p_before is.
-- Parameters. p_before: a time.
-- Returns. How many partitions were dropped.
-- Locks. Each partition, then with its drop also its table and the DEFAULT partition, ACCESS EXCLUSIVE, until the transaction
--   ends; waits for at most 50 ms for each lock.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION drop_partitions(p_before timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '50ms'
AS $$
DECLARE
    old record;
    is_empty boolean;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.relname AS name FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass, 'task_log'::regclass)
          AND c.relname ~ '_p[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= least(p_before, now())
    LOOP
        BEGIN
            -- Locked first, so that no row is added between the check and the drop.
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', old.name);
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', old.name) INTO is_empty;
            IF is_empty THEN
                EXECUTE format('DROP TABLE %I', old.name);
                dropped := dropped + 1;
            END IF;
        -- The block is a subtransaction, so a partition that is in use does not undo the others.
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN dropped;
END $$;
