-- Purpose. Request a cancel of each running task of a tenant that is marked deleted.
-- Parameters. p_tenant: the tenant.
-- Returns. The ids of these tasks.
-- Locks. The rows of task that it changes.
-- Called by. app/admin/offboarding_store.py.
CREATE OR REPLACE FUNCTION cancel_tenant(p_tenant uuid)
RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE task k SET cancel_requested_at = coalesce(k.cancel_requested_at, now())
    -- Running tasks are found by their attempts: the partial index attempt_running has only attempts that run.
    FROM attempt a, tenant t
    WHERE t.id = p_tenant AND t.status = 'deleted' AND a.tenant_id = t.id AND a.finished_at IS NULL
      AND k.tenant_id = a.tenant_id AND k.id = a.task_id AND k.status = 'STARTED'
    RETURNING k.id
$$;
