-- How each of the months' tables is kept. An update that finds room in its page, and changes no index, is free of index
-- writes; a month of ten million rows is vacuumed a twentieth at a time, before what has to be read grows.
CREATE FUNCTION partition_parameters(p_parent text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_parent WHEN 'result' THEN '' ELSE 'fillfactor = 70, ' END
        || 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,'
        || ' autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 10000,'
        || ' autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000'
$$;

-- Make one month of task, attempt or result; whether it was missing.
CREATE FUNCTION make_partition(p_parent text, p_month timestamptz) RETURNS boolean
    LANGUAGE plpgsql SET search_path = public SET timezone = 'UTC' AS $$
DECLARE
    partition text := format('%s_p%s', p_parent, to_char(p_month, 'YYYYMM'));
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN RETURN false; END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (%s)',
        partition, p_parent, partition_bound(p_month), partition_bound(p_month + interval '1 month'),
        partition_parameters(p_parent));
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION partition_parameters, make_partition FROM public;

CREATE OR REPLACE FUNCTION make_partitions(p_months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    RETURN (
        SELECT count(*) FILTER (WHERE make_partition(parent, date_trunc('month', now()) + make_interval(months => n)))
        FROM generate_series(0, p_months_ahead) AS n, unnest(ARRAY['task', 'attempt', 'result']) AS parent
    );
END $$;

-- What is there already; rows that are written from now on heed it.
DO $$
DECLARE
    child record;
BEGIN
    FOR child IN
        SELECT i.inhrelid::regclass AS name, i.inhparent::regclass::text AS parent FROM pg_inherits i
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s RESET (fillfactor)', child.name);
        EXECUTE format('ALTER TABLE %s SET (%s)', child.name, partition_parameters(child.parent));
    END LOOP;
END $$;

-- Rows come and go and are never updated: room in their pages would be lost.
ALTER TABLE backlog RESET (fillfactor);
-- Each row is deleted after a day, and each delivery's after its retention, so that a share of a large table is much.
ALTER TABLE idempotency_key SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE delivery_attempt SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
-- A claim, a try and an end each change a row; the indexes are of what waits alone.
ALTER TABLE delivery SET (fillfactor = 70);
-- Counters: their rows are updated with every task, in their page. A vacuum is for what that leaves over.
ALTER TABLE tenant_slots SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE tenant_admitted SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE usage SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE usage_by_task SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
