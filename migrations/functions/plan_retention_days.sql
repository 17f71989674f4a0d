-- Purpose. Return for how many days ended tasks of a plan are kept. A tenant may have a limit of its own. A test compares this
--   with app/tenants/plans.py.
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
