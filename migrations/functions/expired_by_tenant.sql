-- Purpose. Find waiting tasks whose time to start has passed, a few of each tenant, so that one tenant with many of them does
--   not delay the others.
-- Parameters. p_beyond: the tenant after which the search begins. p_tenants: the maximum number of tenants with tasks that
--   expire. p_each: the maximum number of tasks of each.
-- Returns. The tenants in the order of their ids, each with its expired tasks, oldest first; one row with a null task_id for
--   a tenant without any.
-- Locks. None.
-- Called by. app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION expired_by_tenant(p_beyond uuid, p_tenants integer, p_each integer)
RETURNS TABLE (tenant_id uuid, task_id uuid)
LANGUAGE plpgsql
-- Without sorts, only the index of expiring tasks gives the order. Otherwise a plan that is made while the backlog is empty
-- may read all of a tenant's tasks by the primary key (docs/decisions/0010-plans-whatever-statistics-know.md).
SET enable_sort = off
SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE line AS (
        -- A skip scan: each step finds the next tenant that has tasks which expire.
        (SELECT b.tenant_id, 1 AS place FROM backlog b
         WHERE b.expires_at IS NOT NULL AND b.tenant_id > p_beyond ORDER BY b.tenant_id, b.expires_at LIMIT 1)
        UNION ALL
        SELECT n.tenant_id, line.place + 1 FROM line, LATERAL (
            SELECT b.tenant_id FROM backlog b
            WHERE b.expires_at IS NOT NULL AND b.tenant_id > line.tenant_id ORDER BY b.tenant_id, b.expires_at LIMIT 1
        ) AS n
        WHERE line.place < p_tenants
    )
    SELECT line.tenant_id, due.task_id
    FROM line LEFT JOIN LATERAL (
        SELECT b.task_id FROM backlog b
        WHERE b.tenant_id = line.tenant_id AND b.expires_at <= now() ORDER BY b.tenant_id, b.expires_at LIMIT p_each
    ) AS due ON true
    ORDER BY line.place;
END $$;
