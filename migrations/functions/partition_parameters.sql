-- Purpose. Return the storage parameters of a table's partitions. An update that finds room in its page and changes
--   no index is free of index writes; a month of ten million rows is vacuumed a twentieth at a time.
-- Parameters. p_parent: the table.
-- Returns. The text between the parentheses of WITH (...).
-- Locks. None.
-- Called by. partition_attach, partition_from_default, migrations/schema/partitions.sql.
CREATE OR REPLACE FUNCTION partition_parameters(p_parent text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN p_parent IN ('result', 'event') THEN '' ELSE 'fillfactor = 70, ' END
        || 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,'
        || ' autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 10000,'
        || ' autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000'
$$;
