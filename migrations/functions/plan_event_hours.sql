-- Purpose. Return how many hours the events of a plan are kept, unless the tenant has a limit of its own. A test
--   holds it against app/tenants/plans.py.
-- Parameters. p_plan: the plan.
-- Returns. Hours.
-- Locks. None.
-- Called by. drop_event_days.
CREATE OR REPLACE FUNCTION plan_event_hours(p_plan text)
RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE p_plan WHEN 'free' THEN 24 WHEN 'pro' THEN 168 ELSE 720 END
$$;
