-- Purpose. Return the storage parameters of a table's partitions. fillfactor: an update that finds space in its page, and
--   changes no indexed column, writes no index. result, task_log and event are never updated. Scale factors of 0.05: a month with ten
--   million rows is vacuumed when a twentieth of it has changed.
-- Parameters. p_parent: the table.
-- Returns. The text between the parentheses of WITH (...).
-- Locks. None.
-- Called by. partition_attach, partition_from_default, migrations/schema/partitions.sql.
CREATE OR REPLACE FUNCTION partition_parameters(p_parent text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN p_parent IN ('result', 'task_log', 'event') THEN '' ELSE 'fillfactor = 70, ' END
        || 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,'
        || ' autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 10000,'
        || ' autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000'
$$;
