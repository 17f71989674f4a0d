-- Purpose. Make the partition of one month of one table.
-- Parameters. p_parent: the table. p_month: any time of the month.
-- Returns. Whether the partition was missing.
-- Locks. As partition_attach.
-- Called by. scripts/benchmark/archive.py.
CREATE OR REPLACE FUNCTION make_partition(p_parent text, p_month timestamptz)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
BEGIN
    IF partition_exists(p_parent, date_trunc('month', p_month)) THEN RETURN false; END IF;
    PERFORM partition_attach(p_parent, date_trunc('month', p_month));
    RETURN true;
END $$;
