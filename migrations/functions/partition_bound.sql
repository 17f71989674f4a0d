-- Purpose. Return the smallest UUIDv7 of a time, which is the bound of a month's partition.
-- Parameters. p_month: a time.
-- Returns. The id.
-- Locks. None.
-- Called by. partition_exists, partition_literal, prune_tasks, prune_account.
CREATE OR REPLACE FUNCTION partition_bound(p_month timestamptz)
RETURNS uuid
LANGUAGE sql STABLE
AS $$
    SELECT (lpad(to_hex((extract(epoch FROM p_month) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
