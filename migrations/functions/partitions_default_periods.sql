-- Purpose. Count the rows of a DEFAULT partition by month or day, within the next two years.
-- Parameters. p_table: the table.
-- Returns. The first moment of each, and its rows.
-- Locks. None.
-- Called by. partition_step.
CREATE OR REPLACE FUNCTION partitions_default_periods(p_table text)
RETURNS TABLE (start timestamptz, count bigint)
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
        CASE t.unit WHEN 'month' THEN 'SELECT partition_month(%1$I), count(*) FROM %2$I WHERE %1$I < %3$L GROUP BY 1'
                    ELSE 'SELECT date_trunc(''day'', %1$I), count(*) FROM %2$I WHERE %1$I < %3$L GROUP BY 1' END,
        t.key, t.spare, partition_literal(t.unit, now() + interval '2 years'));
END $$;
