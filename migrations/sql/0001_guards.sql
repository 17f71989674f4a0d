CREATE FUNCTION refuse_terminal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % is % and never changes', OLD.id, OLD.status USING ERRCODE = 'TQ001';
END $$;
CREATE TRIGGER task_terminal BEFORE UPDATE ON task FOR EACH ROW
    WHEN (OLD.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) EXECUTE FUNCTION refuse_terminal_change();

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'TQ002';
END $$;
CREATE TRIGGER audit_event_append_only BEFORE UPDATE ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();

-- Every process polls the epoch each second and drops what it has cached about callers when it has moved.
CREATE FUNCTION bump_auth_epoch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE auth_epoch SET epoch = epoch + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER tenant_epoch AFTER INSERT OR UPDATE OR DELETE ON tenant
    FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();
CREATE TRIGGER api_key_epoch AFTER INSERT OR DELETE OR UPDATE OF digest, pepper_id, scopes, expires_at, revoked_at
    ON api_key FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

-- Months of UUIDv7 for task, attempt and result; each call makes those which are missing.
CREATE FUNCTION partition_bound(p_month timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM p_month) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
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
CREATE TABLE task_default PARTITION OF task DEFAULT WITH (fillfactor = 70);
CREATE TABLE attempt_default PARTITION OF attempt DEFAULT WITH (fillfactor = 70);
CREATE TABLE result_default PARTITION OF result DEFAULT;
SELECT make_partitions(1);
