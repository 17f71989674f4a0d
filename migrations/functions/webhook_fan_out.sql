-- Purpose. Make deliveries of the events that have a webhook_url, from where each tenant's cursor stands, and move the
--   cursor. Both are one transaction, and the id of a delivery is that of its event: each event is one delivery,
--   whatever ends when. The commit need not reach the disk: what a crash takes back is made again, with the same id.
-- Parameters. p_tenants: the tenants to look at. p_limit: events of each.
-- Returns. For each tenant that had any: how many deliveries are new, and whether there may be more events.
-- Locks. tenant (FOR KEY SHARE: none is erased meanwhile), then webhook_cursor in the order of tenant ids; both skip
--   rows that somebody holds. Who holds a cursor sees to it that its tenant is looked at again.
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
    PERFORM set_config('synchronous_commit', 'off', true);
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
    INSERT INTO webhook_cursor (tenant_id)
    SELECT u.id FROM unnest(behind) AS u (id)
    WHERE NOT EXISTS (SELECT FROM webhook_cursor c WHERE c.tenant_id = u.id) ORDER BY u.id
    ON CONFLICT DO NOTHING;
    FOR at IN
        SELECT c.tenant_id, c.seq, c.read_from FROM webhook_cursor c
        WHERE c.tenant_id = ANY(behind) ORDER BY c.tenant_id FOR UPDATE SKIP LOCKED
    LOOP
        -- After the lock: what its last holder has made is seen. Events up to the head are visible, since numbers are
        -- taken and committed in one order.
        SELECT s.webhook_seq INTO head FROM tenant_slots s WHERE s.tenant_id = at.tenant_id;
        CONTINUE WHEN head <= at.seq;
        WITH found AS MATERIALIZED (
            SELECT e.tenant_id, e.seq, e.type, e.subject, e.created_at FROM event e
            WHERE e.tenant_id = at.tenant_id AND e.webhook_seq > at.seq AND e.webhook_seq <= head
              AND e.created_at >= at.read_from
            ORDER BY e.webhook_seq LIMIT p_limit
        ), stored AS (
            INSERT INTO delivery (tenant_id, id, task_id, event_type, url, url_key, body)
            SELECT f.tenant_id, event_id(f.tenant_id, f.seq, f.type, f.subject, f.created_at), f.subject,
                event_type_name(f.type), k.webhook_url, k.url_key, k.body
            FROM found f CROSS JOIN LATERAL (
                SELECT t.webhook_url, left(split_part(split_part(t.webhook_url, '?', 1), '#', 1), 2048) AS url_key,
                    webhook_body(f.type, t.id, t.task, t.status, t.error, t.attempt, t.tags, t.finished_at, (
                        SELECT r.result::text FROM result r
                        WHERE r.tenant_id = f.tenant_id AND r.task_id = f.subject LIMIT 1
                    )) AS body
                FROM task t WHERE t.tenant_id = f.tenant_id AND t.id = f.subject LIMIT 1
            ) AS k
            ON CONFLICT DO NOTHING
            RETURNING tenant_id
        )
        SELECT count(*)::integer AS events, max(f.seq) AS seq, max(f.created_at) AS created_at,
            (SELECT count(*)::integer FROM stored) AS made
        INTO page FROM found f;
        -- A transaction that begins earlier may commit later, and a failover may lead to a clock that is
        -- behind, so reading begins a day before the latest event.
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
