-- Purpose. Append an event for each API key that expires soon, once for a key. Keys that were revoked, or that have a successor, are
--   left out, and so are those of tenants who neither read their events nor have endpoints. If a row is locked for too long,
--   nothing is written, and the next call tries again: the dispatcher must not wait.
-- Parameters. p_ahead: how long before its end a key expires soon. p_limit: the maximum number of keys.
-- Returns. How many events were written.
-- Locks. tenant_slots in the order of tenant ids, then api_key; waits for at most 100 ms for each lock.
-- Called by. app/dispatch/key_store.py.
CREATE OR REPLACE FUNCTION keys_expiring(p_ahead interval, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '100ms'
AS $$
DECLARE
    tenants uuid[];
    keys uuid[];
    written integer := 0;
    told record;
BEGIN
    -- LATERAL with LIMIT: one look-up by the key for each API key, whatever the statistics say.
    SELECT array_agg(DISTINCT k.tenant_id), array_agg(k.id) INTO tenants, keys FROM (
        SELECT a.tenant_id, a.id FROM api_key a
        CROSS JOIN LATERAL (
            SELECT FROM tenant_slots s WHERE s.tenant_id = a.tenant_id AND s.features & 3 <> 0 LIMIT 1
        ) AS s
        WHERE a.expires_at > now() AND a.expires_at <= now() + p_ahead AND a.expiring_told_at IS NULL
          AND a.revoked_at IS NULL AND a.replaced_by IS NULL
        ORDER BY a.expires_at LIMIT p_limit
    ) AS k;
    IF keys IS NULL THEN RETURN 0; END IF;
    PERFORM set_config('app.tenant_ids', tenants::text, true);
    PERFORM FROM tenant_slots s WHERE s.tenant_id = ANY(tenants) ORDER BY s.tenant_id FOR UPDATE;
    -- Read again under the lock: another leader may have told of the key meanwhile, or its tenant has rotated it.
    FOR told IN
        UPDATE api_key a SET expiring_told_at = now()
        WHERE a.tenant_id = ANY(tenants) AND a.id = ANY(keys) AND a.expiring_told_at IS NULL
          AND a.revoked_at IS NULL AND a.replaced_by IS NULL
        RETURNING a.tenant_id, a.id, a.key_id, a.name, a.expires_at
    LOOP
        written := written + (event_append(told.tenant_id, 8::smallint, told.id, jsonb_build_object(
            'key_id', told.key_id, 'name', told.name,
            'expires_at', to_char(told.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) IS NOT NULL)::integer;
    END LOOP;
    RETURN written;
END $$;
