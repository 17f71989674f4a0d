-- Purpose. Return the name of the partition of a month or a day.
-- Parameters. p_table: the table. p_unit: month or day. p_start: the first moment of it.
-- Returns. The table's name, _p, and YYYYMM or YYYYMMDD.
-- Locks. None.
-- Called by. partition_attach, partition_from_default.
CREATE OR REPLACE FUNCTION partition_name(p_table text, p_unit text, p_start timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT format('%s_p%s', p_table, to_char(p_start, CASE p_unit WHEN 'month' THEN 'YYYYMM' ELSE 'YYYYMMDD' END))
$$;
