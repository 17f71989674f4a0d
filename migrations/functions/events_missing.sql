-- Purpose. Find events that an endpoint asks for now and was never sent: those that were skipped while it was disabled, and those from
--   before it existed or asked for them.
-- Parameters. p_tenant: the tenant. It must be one of the transaction (app.tenant_ids), because this function runs as the owner.
--   p_endpoint: the endpoint. p_after: the number of the last event that was read; 0 to begin. p_since: the time of the oldest event
--   to find. p_asked_at: the time of the latest one. p_limit: how many numbers of events are read.
-- Returns. The events that were read, in the order of their numbers, and whether each is missing. The last row has is_missing null
--   and the number up to which was read; null if nothing is left, or the endpoint does not exist.
-- Locks. None.
-- Called by. app/webhooks/repair_store.py.
CREATE OR REPLACE FUNCTION events_missing(
    p_tenant uuid, p_endpoint uuid, p_after bigint, p_since timestamptz, p_asked_at timestamptz, p_limit integer
)
RETURNS TABLE (seq bigint, is_missing boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    wanted endpoint;
    head bigint;
    read_from bigint;
    read_to bigint;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    SELECT p.* INTO wanted FROM endpoint p WHERE p.tenant_id = p_tenant AND p.id = p_endpoint;
    -- Events after the cursor get their deliveries anyway (webhook_fan_out), and those up to after_seq never do.
    SELECT least(s.event_seq, greatest(wanted.after_seq, (SELECT c.seq FROM webhook_cursor c WHERE c.tenant_id = p_tenant)))
    INTO head FROM tenant_slots s WHERE s.tenant_id = p_tenant;
    read_from := CASE WHEN p_after > 0 THEN p_after ELSE event_oldest(p_tenant, head, p_since) - 1 END;
    read_to := least(head, read_from + p_limit);
    IF wanted.id IS NOT NULL AND read_to > read_from THEN
        -- Bounded by numbers on both sides, so that no plan can read more. LATERAL with LIMIT 1: each row is found by its key,
        -- whatever the statistics say. An event of a task that does not exist any more cannot be sent.
        RETURN QUERY
            SELECT e.seq, (e.type > 4 OR k.id IS NOT NULL)
                AND endpoint_wants(wanted.event_types, wanted.filter_tasks, wanted.filter_tags, e.type, k.task, k.tags)
                AND coalesce(d.status, 'SKIPPED') = 'SKIPPED'
            FROM event e
            LEFT JOIN LATERAL (
                SELECT t.id, t.task, t.tags FROM task t
                WHERE e.type <= 4 AND t.tenant_id = p_tenant AND t.id = e.subject LIMIT 1
            ) AS k ON true
            LEFT JOIN LATERAL (
                SELECT w.status FROM delivery w WHERE w.tenant_id = p_tenant AND w.id = delivery_id(
                    event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at), p_endpoint) LIMIT 1
            ) AS d ON true
            WHERE e.tenant_id = p_tenant AND e.seq > read_from AND e.seq <= read_to
              AND e.created_at >= p_since AND e.created_at <= p_asked_at
            ORDER BY e.seq;
    END IF;
    seq := CASE WHEN wanted.id IS NOT NULL AND read_to < head THEN read_to END;
    is_missing := NULL;
    RETURN NEXT;
END $$;
