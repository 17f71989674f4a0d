-- Purpose. Send events to an endpoint that it has missed (events_missing). The ids of the deliveries are computed, so an event that
--   has one meanwhile gets no second one.
-- Parameters. p_tenant: the tenant. It must be one of the transaction (app.tenant_ids), because this function runs as the owner.
--   p_endpoint: the endpoint. p_seqs: the numbers of the events. p_since: the oldest of them is not older.
-- Returns. The outcome of each event that is kept: sent; changed, if it has a delivery that is not SKIPPED; disabled, if the endpoint
--   is disabled or deleted; lost, if its task is not kept any more.
-- Locks. Tasks that have ended (FOR SHARE, so that they are not erased meanwhile; delivery_body says why no others), and the
--   deliveries.
-- Called by. app/webhooks/repair_store.py.
CREATE OR REPLACE FUNCTION events_replay(p_tenant uuid, p_endpoint uuid, p_seqs bigint[], p_since timestamptz)
RETURNS TABLE (seq bigint, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted endpoint;
    e record;
    event uuid;
    made text;
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN RETURN; END IF;
    SELECT p.* INTO wanted FROM endpoint p WHERE p.tenant_id = p_tenant AND p.id = p_endpoint AND p.enabled;
    FOR e IN
        -- LATERAL with LIMIT 1: each event is found by its key, whatever the statistics say.
        SELECT k.* FROM unnest(p_seqs) AS u (seq) CROSS JOIN LATERAL (
            SELECT w.* FROM event w WHERE w.tenant_id = p_tenant AND w.seq = u.seq AND w.created_at >= p_since LIMIT 1
        ) AS k ORDER BY k.seq
    LOOP
        seq := e.seq;
        outcome := 'disabled';
        IF wanted.id IS NOT NULL THEN
            PERFORM FROM task t
            WHERE e.type <= 4 AND t.tenant_id = p_tenant AND t.id = e.subject AND t.finished_at IS NOT NULL FOR SHARE;
            made := event_body(p_tenant, e.type, e.subject, e.attempt, e.created_at, e.data);
            event := event_id(p_tenant, e.seq, e.type, e.subject, e.created_at);
            outcome := 'lost';
        END IF;
        IF outcome = 'lost' AND made IS NOT NULL THEN
            INSERT INTO delivery AS d (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, url_key, body)
            VALUES (p_tenant, delivery_id(event, p_endpoint), event, e.seq, p_endpoint,
                CASE WHEN e.type <= 4 THEN e.subject END, event_type_name(e.type), wanted.url, 'endpoint:' || p_endpoint, made)
            ON CONFLICT ON CONSTRAINT delivery_pkey DO UPDATE
                SET status = 'PENDING', schedule_from = d.attempt, due_at = now(), claim_token = NULL, finished_at = NULL,
                    skipped_reason = NULL, body = coalesce(d.body, excluded.body)
                WHERE d.status = 'SKIPPED';
            outcome := CASE WHEN FOUND THEN 'sent' ELSE 'changed' END;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
