DROP FUNCTION prune_account;

-- Delete up to p_limit of a tenant's tasks that ended before p_before, oldest first, with all that belongs to them;
-- returns how many. Ids carry their time, so what is older is found by the key; what has not ended stays for ever.
CREATE OR REPLACE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    pruned uuid[];
    delivered uuid[];
BEGIN
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(p_before) AND k.finished_at < p_before
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    SELECT array_agg(old.id) INTO delivered FROM (
        SELECT d.id FROM delivery d
        WHERE d.tenant_id = p_tenant AND d.id < partition_bound(p_before) AND d.finished_at < p_before
        ORDER BY d.id LIMIT p_limit
    ) AS old;
    DELETE FROM delivery d WHERE d.tenant_id = p_tenant AND d.id = ANY(delivered) AND d.finished_at < p_before;
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;

-- Drop the months' partitions that lie wholly before p_before and are empty; returns how many. A busy table is left for
-- the next time: nobody waits for this.
CREATE OR REPLACE FUNCTION drop_partitions(p_before timestamptz) RETURNS integer
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

DROP FUNCTION plan_retention_days;

DO $$
DECLARE
    chosen record;
BEGIN
    FOR chosen IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
          AND EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = public', chosen.name);
    END LOOP;
END $$;
