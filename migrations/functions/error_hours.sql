-- Purpose. Move the hourly counts of an error to a later hour: the oldest hours drop out, and hours without occurrences come in.
-- Parameters. p_counts: the counts, the oldest hour first. p_until: the beginning of their last hour. p_to: the beginning of the
--   hour that is to be the last.
-- Returns. As many counts as were given. If p_to is not after p_until (a clock was set back), the same counts.
-- Locks. None.
-- Called by. errors_roll_up, app/task_errors/store.py.
CREATE OR REPLACE FUNCTION error_hours(p_counts integer[], p_until timestamptz, p_to timestamptz)
RETURNS integer[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT array_agg(coalesce(p_counts[place + by.hours], 0) ORDER BY place)
    FROM generate_subscripts(p_counts, 1) AS place,
        (SELECT least(greatest(extract(epoch FROM p_to - p_until) / 3600, 0), cardinality(p_counts))::integer AS hours) AS by
$$;
