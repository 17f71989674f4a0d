-- Purpose. Make the DEFAULT partition itself the partition of a run of months or days, and a new, empty DEFAULT: for one that
--   holds too much to be moved.
-- Parameters. p_table: the table. p_first, p_last: the first moments of the first and the last of them.
-- Returns. How many rows the new partition holds.
-- Locks. The table, then its DEFAULT partition, ACCESS EXCLUSIVE; waits for at most 250 ms.
-- Called by. partition_step.
CREATE OR REPLACE FUNCTION partition_from_default(p_table text, p_first timestamptz, p_last timestamptz)
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
    held bigint;
BEGIN
    SELECT * INTO STRICT t FROM partitioned_tables() WHERE name = p_table;
    made := partition_name(p_table, t.unit, p_last);
    low := partition_literal(t.unit, p_first);
    high := partition_literal(t.unit, p_last + ('1 ' || t.unit)::interval);
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p_table);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', t.spare);
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', p_table, t.spare);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', t.spare, made);
    EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)',
        t.spare, made, partition_parameters(p_table));
    EXECUTE format('WITH gone AS (DELETE FROM %1$I WHERE NOT (%2$I >= %3$L AND %2$I < %4$L) RETURNING *) '
        'INSERT INTO %5$I SELECT * FROM gone', made, t.key, low, high, t.spare);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, made, low, high);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', p_table, t.spare);
    EXECUTE format('SELECT count(*) FROM %I', made) INTO held;
    RETURN held;
END $$;
