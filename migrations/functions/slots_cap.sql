-- Purpose. Return how many slots of a pool a tenant may have. No other code decides this.
-- Parameters. p_cap: the tenant's cap in the pool, null for none. p_short_until: until then it counts as a tenant with short
--   tasks. p_unjudged: the pool's unjudged_cap, null if its row is not fresh.
-- Returns. Slots; 2147483647 if there is no cap.
-- Locks. None.
-- Called by. tasks_claim, task_statuses, app/tasks/sweep_store.py.
CREATE OR REPLACE FUNCTION slots_cap(p_cap integer, p_short_until timestamptz, p_unjudged integer)
RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN p_unjudged IS NULL THEN 2147483647 WHEN p_cap IS NOT NULL THEN p_cap
                WHEN p_short_until > now() THEN 2147483647 ELSE p_unjudged END
$$;
