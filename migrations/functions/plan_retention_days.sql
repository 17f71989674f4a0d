-- Purpose. Return how many days ended tasks of a plan are kept, unless the tenant has a limit of its own. A test
--   holds it against app/tenants/plans.py.
-- Parameters. p_plan: the plan.
-- Returns. Days.
-- Locks. None.
-- Called by. prune_tasks.
CREATE OR REPLACE FUNCTION plan_retention_days(p_plan text)
RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE p_plan WHEN 'free' THEN 7 WHEN 'pro' THEN 30 ELSE 90 END
$$;
