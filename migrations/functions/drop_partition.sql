-- Purpose. Drop one partition, unless it is in use or has something that must be kept.
-- Parameters. p_name: the partition. p_kept: a query that finds a row if the partition must be kept.
-- Returns. Whether it was dropped.
-- Locks. The partition, then with its drop also its table and the DEFAULT partition, ACCESS EXCLUSIVE, until the transaction
--   ends; waits for at most 50 ms for each lock.
-- Called by. drop_event_days, drop_partitions.
CREATE OR REPLACE FUNCTION drop_partition(p_name text, p_kept text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
    is_kept boolean;
BEGIN
    -- Locked first, so that no row is added between the check and the drop.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', p_name);
    EXECUTE format('SELECT EXISTS (%s)', p_kept) INTO is_kept;
    IF is_kept THEN RETURN false; END IF;
    EXECUTE format('DROP TABLE %I', p_name);
    RETURN true;
-- The block is a subtransaction, so a partition that is in use does not undo what the caller has done.
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END $$;
