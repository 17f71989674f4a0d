-- How many days ended tasks of a plan are kept, unless the tenant has a limit of its own (app/tenants/plans.py).
CREATE FUNCTION plan_retention_days(p_plan text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_plan WHEN 'free' THEN 7 WHEN 'pro' THEN 30 ELSE 90 END
$$;
REVOKE ALL ON FUNCTION plan_retention_days FROM public;

-- Delete up to p_limit of a tenant's tasks that ended before p_before, oldest first, with all that belongs to them;
-- returns how many. Ids carry their time, so what is older is found by the key; what has not ended stays for ever. A
-- p_before within the tenant's retention is taken for the retention's end: no caller may delete what is kept.
CREATE OR REPLACE FUNCTION prune_tasks(p_tenant uuid, p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    oldest_kept timestamptz;
    pruned uuid[];
    delivered uuid[];
BEGIN
    SELECT least(p_before, now() - make_interval(
        days => coalesce((t.limits ->> 'retention_days')::integer, plan_retention_days(t.plan))))
    INTO oldest_kept FROM tenant t WHERE t.id = p_tenant;
    SELECT array_agg(old.id) INTO pruned FROM (
        SELECT k.id FROM task k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(oldest_kept) AND k.finished_at < oldest_kept
        ORDER BY k.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS old;
    SELECT array_agg(old.id) INTO delivered FROM (
        SELECT d.id FROM delivery d
        WHERE d.tenant_id = p_tenant AND d.id < partition_bound(oldest_kept) AND d.finished_at < oldest_kept
        ORDER BY d.id LIMIT p_limit
    ) AS old;
    DELETE FROM delivery d WHERE d.tenant_id = p_tenant AND d.id = ANY(delivered) AND d.finished_at < oldest_kept;
    DELETE FROM result r WHERE r.tenant_id = p_tenant AND r.task_id = ANY(pruned);
    DELETE FROM attempt a WHERE a.tenant_id = p_tenant AND a.task_id = ANY(pruned);
    DELETE FROM task k WHERE k.tenant_id = p_tenant AND k.id = ANY(pruned);
    RETURN coalesce(cardinality(pruned), 0);
END $$;

-- Drop the months' partitions that lie wholly before p_before and are empty; returns how many. A busy table is left for
-- the next time: nobody waits for this. The month of today and those to come stay, whatever p_before says.
CREATE OR REPLACE FUNCTION drop_partitions(p_before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET timezone = 'UTC' SET lock_timeout = '50ms' AS $$
DECLARE
    old record;
    is_empty boolean;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.relname AS name FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('task'::regclass, 'attempt'::regclass, 'result'::regclass) AND c.relname ~ '_p[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= least(p_before, now())
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

-- Delete up to p_limit of a tenant's keys which were revoked, or ended, more than 90 days ago, and of its audit events
-- that are older than 400 days; returns how many rows went. Both are found by their ids, which carry their time.
CREATE FUNCTION prune_account(p_tenant uuid, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    old_keys uuid[];
    old_events uuid[];
BEGIN
    SELECT array_agg(old.id) INTO old_keys FROM (
        SELECT k.id FROM api_key k
        WHERE k.tenant_id = p_tenant AND k.id < partition_bound(now() - interval '90 days')
          AND least(k.revoked_at, k.expires_at) < now() - interval '90 days'
        ORDER BY k.id LIMIT p_limit
    ) AS old;
    SELECT array_agg(old.id) INTO old_events FROM (
        SELECT e.id FROM audit_event e
        WHERE e.tenant_id = p_tenant AND e.id < partition_bound(now() - interval '400 days')
        ORDER BY e.id LIMIT p_limit
    ) AS old;
    IF old_keys IS NOT NULL THEN
        -- A DELETE, even of no row, moves the auth epoch: every process would forget its callers for nothing.
        DELETE FROM api_key k WHERE k.tenant_id = p_tenant AND k.id = ANY(old_keys);
    END IF;
    DELETE FROM audit_event e WHERE e.tenant_id = p_tenant AND e.id = ANY(old_events);
    RETURN coalesce(cardinality(old_keys), 0) + coalesce(cardinality(old_events), 0);
END $$;
REVOKE ALL ON FUNCTION prune_account FROM public;
GRANT EXECUTE ON FUNCTION prune_account TO tq_dispatch;

-- Every function that chooses its search path: the system's names first, temporary ones last.
DO $$
DECLARE
    chosen record;
BEGIN
    FOR chosen IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
          AND EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', chosen.name);
    END LOOP;
END $$;
