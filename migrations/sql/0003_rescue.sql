-- What runs now, worker by worker: the rescuer's question. `finished_at`, not `status`: a plan that means to find one
-- attempt by its key is never misled to this index.
CREATE INDEX attempt_running ON attempt (worker_id) WHERE finished_at IS NULL;
GRANT SELECT (finished_at) ON attempt TO tq_dispatch;
GRANT SELECT (pool) ON task TO tq_dispatch;

-- A queue: its dead rows are many soon, and stand in the way of the living.
ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- Delete up to p_limit of a tenant's tasks that ended before p_before, oldest first, with all that belongs to them;
-- returns how many. Ids carry their time, so what is older is found by the key; what has not ended stays for ever.
CREATE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    pruned uuid[];
BEGIN
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(p_before) AND k.finished_at < p_before
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    DELETE FROM delivery d WHERE (d.tenant_id, d.id) IN (
        SELECT o.tenant_id, o.id FROM delivery o
        WHERE o.tenant_id = p_tenant AND o.id < partition_bound(p_before) AND o.finished_at < p_before
        ORDER BY o.id LIMIT p_limit
    );
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;

-- Drop the months' partitions that lie wholly before p_before and are empty; returns how many. A busy table is left for
-- the next time: nobody waits for this.
CREATE FUNCTION drop_partitions(p_before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' SET lock_timeout = '50ms' AS $$
DECLARE
    old record;
    is_empty boolean;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.relname AS name FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass) AND c.relname ~ '_p[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= p_before
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', old.name);
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', old.name) INTO is_empty;
            IF is_empty THEN
                EXECUTE format('DROP TABLE %I', old.name);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION prune_tasks, drop_partitions FROM public;
GRANT EXECUTE ON FUNCTION prune_tasks, drop_partitions TO tq_dispatch;
