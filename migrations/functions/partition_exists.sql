-- Purpose. Tell whether some partition of a table holds the first moment of a month or day.
-- Parameters. p_table: the table. p_start: the first moment.
-- Returns. Whether one does.
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
        CROSS JOIN LATERAL regexp_match(
            pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$) AS m
        WHERE t.name = p_table AND CASE t.unit
            WHEN 'month' THEN m[1]::uuid <= partition_bound(p_start) AND m[2]::uuid > partition_bound(p_start)
            ELSE m[1]::timestamptz <= p_start AND m[2]::timestamptz > p_start END
    )
$$;
