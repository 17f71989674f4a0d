-- Purpose. Make deliveries of the events after each tenant's cursor, and move the cursor: one for a task's webhook_url, and one
--   for each endpoint that asks for the event. A disabled endpoint gets a delivery that is SKIPPED. All happens in one
--   transaction, and the id of a delivery is computed from its event, so an event gets one delivery for each of them.
-- Parameters. p_tenants: the tenants to look at. p_limit: the maximum number of events of each tenant, divided by the number of
--   its endpoints. p_disabled: why a delivery to a disabled endpoint is skipped, as the tenant reads it.
-- Returns. For each tenant that had new events: how many deliveries were made, and whether there may be more events.
-- Locks. tenant (FOR KEY SHARE, so that the tenant is not erased meanwhile), then webhook_cursor, both in the order of tenant
--   ids. Both skip rows that are locked: the process that holds a cursor looks at its tenant again.
-- Called by. app/webhooks/store.py.
CREATE OR REPLACE FUNCTION webhook_fan_out(p_tenants uuid[], p_limit integer, p_disabled text)
RETURNS TABLE (tenant_id uuid, made integer, has_more boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    behind uuid[];
    at record;
    head bigint;
    endpoints integer;
    page_size integer;
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
        -- committed in one order. The endpoints are counted only for a tenant that has some (features bit 2).
        SELECT s.webhook_seq, CASE WHEN s.features & 2 <> 0 THEN (
            SELECT count(*)::integer FROM endpoint p WHERE p.tenant_id = at.tenant_id
        ) ELSE 0 END INTO head, endpoints FROM tenant_slots s WHERE s.tenant_id = at.tenant_id;
        CONTINUE WHEN head <= at.seq;
        -- Fewer events for a tenant with several endpoints, because each event may become a delivery to each of them.
        page_size := greatest(1, p_limit / greatest(1, endpoints));
        WITH found AS MATERIALIZED (
            -- The next events with a webhook, up to the head. read_from leaves out the partitions of earlier days. It counts
            -- only up to a day ago: written while the clock was ahead, it would leave out events of now. MATERIALIZED: two
            -- parts read it.
            SELECT e.seq, e.type, e.subject, e.attempt, e.created_at, e.data FROM event e
            WHERE e.tenant_id = at.tenant_id AND e.webhook_seq > at.seq AND e.webhook_seq <= head
              AND e.created_at >= least(at.read_from, now() - interval '1 day')
            ORDER BY e.webhook_seq LIMIT page_size
        ), told AS MATERIALIZED (
            -- The events with their ids and what decides who gets them. LATERAL with LIMIT 1: the task is found by its key. An
            -- event of a task that was erased meanwhile has nothing to say.
            SELECT f.*, event_id(at.tenant_id, f.seq, f.type, f.subject, f.created_at) AS id, k.webhook_url, k.task, k.tags
            FROM found f LEFT JOIN LATERAL (
                SELECT t.webhook_url, t.task, t.tags FROM task t
                WHERE f.type <= 4 AND t.tenant_id = at.tenant_id AND t.id = f.subject LIMIT 1
            ) AS k ON true
            WHERE f.type > 4 OR k.task IS NOT NULL
        ), sent AS MATERIALIZED (
            -- A row for each delivery. The end of a task goes to its webhook_url. url_key: the URL without query and fragment.
            SELECT t.id, t.seq, t.type, t.subject, NULL::uuid AS endpoint_id, t.webhook_url AS url, true AS is_due,
                left(split_part(split_part(t.webhook_url, '?', 1), '#', 1), 2048) AS url_key
            FROM told t WHERE t.type <= 3 AND t.webhook_url IS NOT NULL
            UNION ALL
            -- Every event goes to the endpoints that ask for its type and were there before it. Filters are about tasks.
            SELECT t.id, t.seq, t.type, t.subject, p.id, p.url, p.enabled, 'endpoint:' || p.id
            FROM told t CROSS JOIN endpoint p
            WHERE endpoints > 0 AND p.tenant_id = at.tenant_id AND p.after_seq < t.seq
              AND endpoint_wants(p.event_types, p.filter_tasks, p.filter_tags, t.type, t.task, t.tags)
        ), bodies AS MATERIALIZED (
            -- One body for each event. A disabled endpoint needs none.
            SELECT t.id, event_body(at.tenant_id, t.type, t.subject, t.attempt, t.created_at, t.data) AS body FROM told t
            WHERE EXISTS (SELECT FROM sent s WHERE s.id = t.id AND s.is_due)
        ), stored AS (
            -- ON CONFLICT: if the cursor was set back, the delivery already exists with the same id.
            INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, url_key, body, status,
                                  skipped_reason, finished_at)
            SELECT at.tenant_id, delivery_id(s.id, s.endpoint_id), s.id, s.seq, s.endpoint_id,
                CASE WHEN s.type <= 4 THEN s.subject END, event_type_name(s.type), s.url, s.url_key,
                CASE WHEN s.is_due THEN b.body END, CASE WHEN s.is_due THEN 'PENDING' ELSE 'SKIPPED' END,
                CASE WHEN NOT s.is_due THEN p_disabled END, CASE WHEN NOT s.is_due THEN now() END
            FROM sent s LEFT JOIN bodies b ON b.id = s.id
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
        SET seq = CASE WHEN page.events < page_size THEN head ELSE page.seq END,
            read_from = CASE WHEN page.events < page_size THEN now() ELSE page.created_at END - interval '1 day'
        WHERE c.tenant_id = at.tenant_id;
        tenant_id := at.tenant_id;
        made := page.made;
        has_more := page.events = page_size;
        RETURN NEXT;
    END LOOP;
END $$;
