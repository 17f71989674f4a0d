-- Purpose. Say whether a task has ended as another one needs.
-- Parameters. p_need: dependency.need. p_status: the status of the task that has ended.
-- Returns. Whether the condition holds.
-- Locks. None.
-- Called by. held_release, held_settle.
CREATE OR REPLACE FUNCTION dependency_met(p_need smallint, p_status text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_need = 3 OR (p_need = 1) = (p_status = 'SUCCESS');
