-- Purpose. Count the rows of a DEFAULT partition by month, within the next two years.
-- Parameters. p_table: the table.
-- Returns. Each month's first moment, and its rows.
-- Locks. None.
-- Called by. partition_step.
CREATE OR REPLACE FUNCTION partitions_default_months(p_table text)
RETURNS TABLE (month timestamptz, count bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    t record;
BEGIN
    SELECT * INTO t FROM partitioned_tables() WHERE name = p_table AND spare IS NOT NULL;
    IF NOT FOUND THEN RETURN; END IF;
    RETURN QUERY EXECUTE format(
        'SELECT partition_month(%1$I), count(*) FROM %2$I '
        'WHERE %1$I < partition_bound(now() + interval ''2 years'') GROUP BY 1',
        t.key, t.spare);
END $$;
