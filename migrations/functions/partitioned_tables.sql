-- Purpose. Return the tables that have a partition for each month, or for each day.
-- Parameters. None.
-- Returns. Name, the column that is partitioned by, the name of the DEFAULT partition, and the unit: month, where that
--   column is an id, or day, where it is a time.
-- Locks. None.
-- Called by. app/tasks/sweep_store.py, the functions of partitions.
CREATE OR REPLACE FUNCTION partitioned_tables()
RETURNS TABLE (name text, key text, spare text, unit text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT c.relname::text, a.attname::text, d.relname::text, CASE a.atttypid WHEN 'uuid'::regtype THEN 'month' ELSE 'day' END
    FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = p.partrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
        AND a.atttypid IN ('uuid'::regtype, 'timestamptz'::regtype)
    LEFT JOIN pg_class d ON d.oid = p.partdefid
    WHERE p.partstrat = 'r' AND p.partnatts = 1 ORDER BY c.oid
$$;
