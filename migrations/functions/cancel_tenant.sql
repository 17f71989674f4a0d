-- Purpose. Ask each running task of a tenant that is marked deleted to end.
-- Parameters. p_tenant: the tenant.
-- Returns. The ids of these tasks.
-- Locks. task.
-- Called by. app/admin/offboarding_store.py.
CREATE OR REPLACE FUNCTION cancel_tenant(p_tenant uuid)
RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE task k SET cancel_requested_at = coalesce(k.cancel_requested_at, now())
    FROM attempt a, tenant t
    WHERE t.id = p_tenant AND t.status = 'deleted' AND a.tenant_id = t.id AND a.finished_at IS NULL
      AND k.tenant_id = a.tenant_id AND k.id = a.task_id AND k.status = 'STARTED'
    RETURNING k.id
$$;
