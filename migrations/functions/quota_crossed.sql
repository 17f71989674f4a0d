-- Purpose. Tell whether newly accepted tasks have crossed 80 or 100 percent of a quota. Only then quotas_reached has something to
--   write, so the functions that accept tasks ask this first: it costs no statement.
-- Parameters. p_granted: the new tasks. p_used: what is used, with them. p_limit: the quota; -1 or null means no limit.
-- Returns. True if they have.
-- Locks. None.
-- Called by. task_accept, usage_reserve.
CREATE OR REPLACE FUNCTION quota_crossed(p_granted integer, p_used bigint, p_limit bigint)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    -- limit - limit / 5 is 80 percent, rounded up: the first whole number of tasks that is not below it.
    SELECT coalesce(p_limit, -1) > 0 AND p_granted > 0 AND (
        (p_used >= p_limit AND p_used - p_granted < p_limit)
        OR (p_used >= p_limit - p_limit / 5 AND p_used - p_granted < p_limit - p_limit / 5))
$$;
