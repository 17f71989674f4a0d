-- Purpose. Return the month of a UUIDv7.
-- Parameters. p_id: the id.
-- Returns. The month's first moment, in UTC.
-- Locks. None.
-- Called by. partitions_default_periods.
CREATE OR REPLACE FUNCTION partition_month(p_id uuid)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT date_trunc('month', to_timestamp(('x' || left(replace(p_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0))
$$;
