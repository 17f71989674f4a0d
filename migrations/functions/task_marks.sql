-- Purpose. Return a short mark of each task, which changes with its status, attempt, progress and log. It tells those who follow
--   tasks whether to read them again.
-- Parameters. p_tenants, p_ids: pairs of tenant and task.
-- Returns. One row for each task that exists.
-- Locks. None.
-- Called by. app/tasks/read/store.py.
CREATE OR REPLACE FUNCTION task_marks(p_tenants uuid[], p_ids uuid[])
RETURNS TABLE (id uuid, mark text)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    -- Row-level security shows rows of these tenants only, until the statement's own transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    RETURN QUERY
        SELECT u.id, concat_ws(' ', k.status, k.attempt, md5(k.progress::text), (
            SELECT l.seq FROM task_log l
            WHERE l.tenant_id = u.tenant_id AND l.task_id = u.id AND l.attempt = k.attempt ORDER BY l.seq DESC LIMIT 1
        ))
        -- LATERAL with LIMIT 1: each row is found by its key, whatever the statistics say.
        FROM unnest(p_tenants, p_ids) AS u (tenant_id, id)
        CROSS JOIN LATERAL (
            SELECT w.status, w.attempt, w.progress FROM task w WHERE w.tenant_id = u.tenant_id AND w.id = u.id LIMIT 1
        ) AS k;
END $$;
