DROP FUNCTION make_partitions, make_partition, partition_step, partition_from_default, partition_attach,
    partitions_default_months, partition_exists, partitioned_tables, partition_month;

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
REVOKE ALL ON FUNCTION make_partition FROM public;

CREATE FUNCTION make_partitions(p_months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    RETURN (
        SELECT count(*) FILTER (WHERE make_partition(parent, date_trunc('month', now()) + make_interval(months => n)))
        FROM generate_series(0, p_months_ahead) AS n, unnest(ARRAY['task', 'attempt', 'result']) AS parent
    );
END $$;
REVOKE ALL ON FUNCTION make_partitions FROM public;
GRANT EXECUTE ON FUNCTION make_partitions TO tq_dispatch;
