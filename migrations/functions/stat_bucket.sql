-- Purpose. Find the bucket of a histogram. Bounds are powers of the square root of 2, so a value is known to 19 %
--   (app/stats/histogram.py reads the buckets).
-- Parameters. p_seconds: a time in seconds.
-- Returns. 0 for less than a millisecond; otherwise n for at least 2^((n - 1) / 2) ms and less than 2^(n / 2) ms; 63 for all
--   longer times.
-- Locks. None.
-- Called by. stat_sample.
CREATE OR REPLACE FUNCTION stat_bucket(p_seconds double precision)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- 2 / ln(2) = 2.885…
    SELECT CASE WHEN p_seconds >= 0.001 THEN least(1 + floor(2.8853900817779268 * ln(p_seconds * 1000)), 63)::integer
                ELSE 0 END
$$;
