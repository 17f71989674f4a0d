-- Purpose. Return the numbers of the latest events of several tenants, outside any transaction.
-- Parameters. p_tenants: the tenants.
-- Returns. One row for each tenant that exists.
-- Locks. None.
-- Called by. app/events/store.py.
CREATE OR REPLACE FUNCTION event_heads(p_tenants uuid[])
RETURNS TABLE (tenant_id uuid, head bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    -- Row-level security shows rows of these tenants only, until the statement's own transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    RETURN QUERY
        -- LATERAL with LIMIT 1: each row is found by its key, whatever the statistics say.
        SELECT u.id, s.event_seq FROM unnest(p_tenants) AS u (id)
        CROSS JOIN LATERAL (SELECT w.event_seq FROM tenant_slots w WHERE w.tenant_id = u.id LIMIT 1) AS s;
END $$;
