-- Purpose. Return the statuses, results and errors of tasks, for several callers in one statement and outside any
--   transaction. Each pair is looked up by the key alone.
-- Parameters. p_tenants, p_ids: pairs of tenant and task.
-- Returns. One row for each task that exists, with the number of its pair (from 1); result and error as JSON text. is_erased: its
--   tenant has erased it.
-- Locks. None.
-- Called by. app/tasks/read/store.py.
CREATE OR REPLACE FUNCTION task_results(p_tenants uuid[], p_ids uuid[])
RETURNS TABLE (number bigint, status text, result text, error text, is_erased boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    -- Row-level security shows rows of these tenants only, until the statement's own transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    RETURN QUERY
        SELECT u.number, k.status, coalesce(k.result, r.result)::text, k.error::text, k.erased_at IS NOT NULL
        -- LATERAL with LIMIT 1: each row is found by its key, one probe for each pair, whatever the statistics say.
        -- LEFT JOIN: only a large result has a row of its own. Others are not looked for.
        FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS u (tenant_id, id, number)
        CROSS JOIN LATERAL (
            SELECT w.status, w.error, w.result, w.erased_at FROM task w
            WHERE w.tenant_id = u.tenant_id AND w.id = u.id LIMIT 1
        ) AS k
        LEFT JOIN LATERAL (
            SELECT w.result FROM result w
            WHERE k.status = 'SUCCESS' AND k.result IS NULL AND w.tenant_id = u.tenant_id AND w.task_id = u.id LIMIT 1
        ) AS r ON true;
END
$$;
