-- Purpose. Delete a tenant's API keys that were revoked or expired more than 90 days ago, its audit events that are older than
--   400 days, and its operations that ended more than 30 days ago. All are found by their ids, which contain their time. Also
--   its statistics, and its counts of delivery attempts: minutes after 48 hours, hours after 35 days, days after 400 days
--   (app/stats/buckets.py).
-- Parameters. p_tenant: the tenant. p_limit: the maximum number of rows of each table.
-- Returns. How many rows were deleted.
-- Locks. The rows that it deletes; with a key also auth_epoch, by a trigger.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION prune_account(p_tenant uuid, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    old_keys uuid[];
    old_events uuid[];
    old_operations uuid[];
    old_stats integer;
    old_counts integer;
BEGIN
    -- Rows are found first, then deleted by their keys (docs/decisions/0010-plans-whatever-statistics-know.md).
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
    SELECT array_agg(old.id) INTO old_operations FROM (
        SELECT o.id FROM operation o
        WHERE o.tenant_id = p_tenant AND o.id < partition_bound(now() - interval '30 days')
          AND o.finished_at < now() - interval '30 days'
        ORDER BY o.id LIMIT p_limit
    ) AS old;
    IF old_keys IS NOT NULL THEN
        -- Even a DELETE of no row increases the auth epoch, and every process would forget its callers without need.
        DELETE FROM api_key k WHERE k.tenant_id = p_tenant AND k.id = ANY(old_keys);
    END IF;
    DELETE FROM audit_event e WHERE e.tenant_id = p_tenant AND e.id = ANY(old_events);
    DELETE FROM operation o WHERE o.tenant_id = p_tenant AND o.id = ANY(old_operations);
    -- By their places: only the dispatcher changes these rows, and none that is so old.
    DELETE FROM stat s WHERE s.ctid = ANY(ARRAY(
        SELECT old.ctid FROM (VALUES (1, interval '48 hours'), (60, interval '35 days'), (1440, interval '400 days'))
            AS k (minutes, kept)
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM stat o
            WHERE o.tenant_id = p_tenant AND o.minutes = k.minutes
              AND o.starts_at <= now() - k.kept - make_interval(mins => k.minutes)
            ORDER BY o.starts_at LIMIT p_limit
        ) AS old
    ));
    GET DIAGNOSTICS old_stats = ROW_COUNT;
    -- Of these rows too, nothing changes one that is so old.
    DELETE FROM webhook_stat w WHERE w.ctid = ANY(ARRAY(
        SELECT old.ctid FROM (VALUES ('minute', interval '48 hours'), ('hour', interval '35 days'), ('day', interval '400 days'))
            AS k (bucket, kept)
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM webhook_stat o
            WHERE o.tenant_id = p_tenant AND o.bucket = k.bucket AND o.at <= now() - k.kept - ('1 ' || k.bucket)::interval
            ORDER BY o.at LIMIT p_limit
        ) AS old
    ));
    GET DIAGNOSTICS old_counts = ROW_COUNT;
    RETURN coalesce(cardinality(old_keys), 0) + coalesce(cardinality(old_events), 0)
        + coalesce(cardinality(old_operations), 0) + old_stats + old_counts;
END $$;
