-- Purpose. Tell whether some partition of a table holds a month's first moment.
-- Parameters. p_table: the table. p_month: the month's first moment.
-- Returns. Whether one does.
-- Locks. None.
-- Called by. partition_step, make_partition.
CREATE OR REPLACE FUNCTION partition_exists(p_table text, p_month timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL regexp_match(
            pg_get_expr(c.relpartbound, c.oid), $re$FROM \('(.{36})'\) TO \('(.{36})'\)$re$) AS m
        WHERE i.inhparent = format('public.%I', p_table)::regclass
          AND m[1]::uuid <= partition_bound(p_month) AND m[2]::uuid > partition_bound(p_month)
    )
$$;
