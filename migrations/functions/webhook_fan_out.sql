-- Purpose. Make deliveries of the events that have a webhook_url, beginning after each tenant's cursor, and move the cursor.
--   Both happen in one transaction, and the id of a delivery is computed from its event. So each event gets one delivery.
-- Parameters. p_tenants: the tenants to look at. p_limit: the maximum number of events of each tenant.
-- Returns. For each tenant that had new events: how many deliveries were made, and whether there may be more events.
-- Locks. tenant (FOR KEY SHARE, so that the tenant is not erased meanwhile), then webhook_cursor, both in the order of tenant
--   ids. Both skip rows that are locked: the process that holds a cursor looks at its tenant again.
-- Called by. app/webhooks/store.py.
CREATE OR REPLACE FUNCTION webhook_fan_out(p_tenants uuid[], p_limit integer)
RETURNS TABLE (tenant_id uuid, made integer, has_more boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    behind uuid[];
    at record;
    head bigint;
    page record;
BEGIN
    -- The commit does not wait for the disk. If a crash undoes it, the deliveries are made again with the same ids.
    PERFORM set_config('synchronous_commit', 'off', true);
    -- Tenants whose latest event with a webhook is after their cursor. LATERAL with LIMIT 1: each row is found by its key,
    -- whatever the statistics say. Most tenants have no such event, and nothing is locked for them.
    SELECT array_agg(l.id) INTO behind FROM (
        SELECT t.id FROM unnest(p_tenants) AS u (id)
        CROSS JOIN LATERAL (
            SELECT s.webhook_seq FROM tenant_slots s WHERE s.tenant_id = u.id LIMIT 1
        ) AS s
        LEFT JOIN LATERAL (SELECT c.seq FROM webhook_cursor c WHERE c.tenant_id = u.id LIMIT 1) AS c ON true
        JOIN tenant t ON t.id = u.id
        WHERE s.webhook_seq > coalesce(c.seq, 0)
        ORDER BY t.id FOR KEY SHARE OF t SKIP LOCKED
    ) AS l;
    IF behind IS NULL THEN RETURN; END IF;
    -- A tenant gets its cursor with its first such event. ON CONFLICT: another process may insert it at the same time.
    INSERT INTO webhook_cursor (tenant_id)
    SELECT u.id FROM unnest(behind) AS u (id)
    WHERE NOT EXISTS (SELECT FROM webhook_cursor c WHERE c.tenant_id = u.id) ORDER BY u.id
    ON CONFLICT DO NOTHING;
    -- SKIP LOCKED: another process makes the deliveries of this tenant now.
    FOR at IN
        SELECT c.tenant_id, c.seq, c.read_from FROM webhook_cursor c
        WHERE c.tenant_id = ANY(behind) ORDER BY c.tenant_id FOR UPDATE SKIP LOCKED
    LOOP
        -- The head is read after the cursor is locked. All events up to it are visible, because numbers are taken and
        -- committed in one order.
        SELECT s.webhook_seq INTO head FROM tenant_slots s WHERE s.tenant_id = at.tenant_id;
        CONTINUE WHEN head <= at.seq;
        WITH found AS MATERIALIZED (
            -- The next events with a webhook, up to the head. read_from leaves out the partitions of earlier days. It counts
            -- only up to a day ago: written while the clock was ahead, it would leave out events of now. MATERIALIZED: two
            -- parts read it.
            SELECT e.tenant_id, e.seq, e.type, e.subject, e.created_at FROM event e
            WHERE e.tenant_id = at.tenant_id AND e.webhook_seq > at.seq AND e.webhook_seq <= head
              AND e.created_at >= least(at.read_from, now() - interval '1 day')
            ORDER BY e.webhook_seq LIMIT p_limit
        ), stored AS (
            -- One delivery for each event. LATERAL with LIMIT 1: the task and its result are found by their keys.
            -- ON CONFLICT: if the cursor was set back, the delivery already exists with the same id.
            -- url_key: the URL without query and fragment.
            INSERT INTO delivery (tenant_id, id, task_id, event_type, url, url_key, body)
            SELECT f.tenant_id, event_id(f.tenant_id, f.seq, f.type, f.subject, f.created_at), f.subject,
                event_type_name(f.type), k.webhook_url, k.url_key, k.body
            FROM found f CROSS JOIN LATERAL (
                SELECT t.webhook_url, left(split_part(split_part(t.webhook_url, '?', 1), '#', 1), 2048) AS url_key,
                    webhook_body(f.type, t.id, t.task, t.status, t.error, t.attempt, t.tags, t.finished_at, coalesce(t.result, (
                        SELECT r.result FROM result r
                        WHERE r.tenant_id = f.tenant_id AND r.task_id = f.subject LIMIT 1
                    ))::text, t.erased_at IS NOT NULL) AS body
                FROM task t WHERE t.tenant_id = f.tenant_id AND t.id = f.subject LIMIT 1
            ) AS k
            ON CONFLICT DO NOTHING
            RETURNING tenant_id
        )
        SELECT count(*)::integer AS events, max(f.seq) AS seq, max(f.created_at) AS created_at,
            (SELECT count(*)::integer FROM stored) AS made
        INTO page FROM found f;
        -- If the page was not full, everything up to the head is done. Reading begins a day before the latest event, because
        -- created_at is not in the order of seq: a transaction that began earlier may commit later, and after a failover the
        -- clock may be behind.
        UPDATE webhook_cursor c
        SET seq = CASE WHEN page.events < p_limit THEN head ELSE page.seq END,
            read_from = CASE WHEN page.events < p_limit THEN now() ELSE page.created_at END - interval '1 day'
        WHERE c.tenant_id = at.tenant_id;
        tenant_id := at.tenant_id;
        made := page.made;
        has_more := page.events = p_limit;
        RETURN NEXT;
    END LOOP;
END $$;
