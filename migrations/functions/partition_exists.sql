-- Purpose. Return whether a partition of a table contains the first moment of a month or day. DEFAULT does not count.
-- Parameters. p_table: the table. p_start: the first moment.
-- Returns. True if there is one.
-- Locks. None.
-- Called by. partition_step, make_partition.
CREATE OR REPLACE FUNCTION partition_exists(p_table text, p_start timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT EXISTS (
        SELECT FROM partitioned_tables() t JOIN pg_inherits i ON i.inhparent = format('public.%I', t.name)::regclass
        JOIN pg_class c ON c.oid = i.inhrelid
        -- The catalogue has the bounds only as text. DEFAULT does not match. A partition may contain several months or days
        -- (partition_from_default), so bounds are compared and not names.
        CROSS JOIN LATERAL regexp_match(
            pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$) AS m
        WHERE t.name = p_table AND CASE t.unit
            WHEN 'month' THEN m[1]::uuid <= partition_bound(p_start) AND m[2]::uuid > partition_bound(p_start)
            ELSE m[1]::timestamptz <= p_start AND m[2]::timestamptz > p_start END
    )
$$;
