-- Purpose. Describe the end of one attempt as a number, for the statistics. An end stores it; usage_roll_up reads it.
-- Parameters. p_status: the task's status after it. p_has_run: whether the code of the attempt has ended; otherwise the times do
--   not count. p_seconds: run time. p_waited: seconds that the task had waited. p_limited: the part of it at the limit.
-- Returns. Bits 0 and 1: 0 SUCCESS, 1 FAILURE, 2 REVOKED, 3 another attempt follows. Bit 2: p_has_run. Then buckets of 6 bits
--   each (stat_bucket): of the run time, of the wait at the limit, of the rest of the wait.
-- Locks. None.
-- Called by. attempt_finish, attempts_finish; app/tasks/store.py.
CREATE OR REPLACE FUNCTION stat_sample(
    p_status text, p_has_run boolean, p_seconds double precision, p_waited double precision, p_limited double precision
)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE p_status WHEN 'SUCCESS' THEN 0 WHEN 'FAILURE' THEN 1 WHEN 'REVOKED' THEN 2 ELSE 3 END
        + CASE WHEN p_has_run THEN 4 + stat_bucket(p_seconds) * 8 + stat_bucket(p_limited) * 512
                                   + stat_bucket(p_waited - p_limited) * 32768 ELSE 0 END
$$;
