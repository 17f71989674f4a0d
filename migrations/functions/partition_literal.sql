-- Purpose. Return the bound of a partition as the text of a literal.
-- Parameters. p_unit: month or day. p_start: the first moment of one.
-- Returns. The smallest UUIDv7 of a month's first moment; a day's first moment itself.
-- Locks. None.
-- Called by. partition_attach, partition_from_default, partitions_default_periods.
CREATE OR REPLACE FUNCTION partition_literal(p_unit text, p_start timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT CASE p_unit WHEN 'month' THEN partition_bound(p_start)::text ELSE p_start::text END
$$;
