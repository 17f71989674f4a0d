-- Purpose. Make the partition of a month or a day, move the rows that lie in DEFAULT into it, and attach it. The one function that
--   makes a partition.
-- Parameters. p_table: the table. p_start: the first moment of the month or day.
-- Returns. How many rows it moved.
-- Locks. The table, then its DEFAULT partition, ACCESS EXCLUSIVE; waits for at most 250 ms.
-- Called by. partition_step, make_partition.
CREATE OR REPLACE FUNCTION partition_attach(p_table text, p_start timestamptz)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '250ms'
AS $$
DECLARE
    t record;
    made text;
    low text;
    high text;
    moved bigint := 0;
BEGIN
    SELECT * INTO STRICT t FROM partitioned_tables() WHERE name = p_table;
    made := partition_name(p_table, t.unit, p_start);
    low := partition_literal(t.unit, p_start);
    high := partition_literal(t.unit, p_start + ('1 ' || t.unit)::interval);
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p_table);
    IF t.spare IS NULL THEN
        EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)',
            made, p_table, partition_parameters(p_table));
    ELSE
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', t.spare);
        EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)',
            made, t.spare, partition_parameters(p_table));
        EXECUTE format('WITH gone AS (DELETE FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *) '
            'INSERT INTO %5$I SELECT * FROM gone', t.spare, t.key, low, high, made);
        GET DIAGNOSTICS moved = ROW_COUNT;
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, made, low, high);
    RETURN moved;
END $$;
