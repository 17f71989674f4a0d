DROP FUNCTION make_partitions;
DROP FUNCTION make_partition, partition_parameters;
CREATE FUNCTION make_partitions(p_months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' AS $$
DECLARE
    parent text;
    month timestamptz;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    FOR month IN SELECT generate_series(date_trunc('month', now()),
                                        date_trunc('month', now()) + make_interval(months => p_months_ahead),
                                        interval '1 month') LOOP
        FOREACH parent IN ARRAY ARRAY['task', 'attempt', 'result'] LOOP
            partition := format('%s_p%s', parent, to_char(month, 'YYYYMM'));
            CONTINUE WHEN to_regclass(partition) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 70)',
                partition, parent, partition_bound(month), partition_bound(month + interval '1 month'));
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_partitions FROM public;
GRANT EXECUTE ON FUNCTION make_partitions TO tq_dispatch;

DO $$
DECLARE
    child record;
BEGIN
    FOR child IN
        SELECT i.inhrelid::regclass AS name, i.inhparent::regclass::text AS parent FROM pg_inherits i
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,'
            ' autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,'
            ' autovacuum_analyze_scale_factor, autovacuum_analyze_threshold)', child.name);
    END LOOP;
END $$;
ALTER TABLE backlog SET (fillfactor = 70);
ALTER TABLE idempotency_key RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE delivery_attempt RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE delivery RESET (fillfactor);
ALTER TABLE tenant_slots RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE tenant_admitted RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE usage RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE usage_by_task RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
