-- Purpose. Make one month that is missing, or whose rows lie in DEFAULT. One call is one transaction, so that each
--   holds its locks for a short time.
-- Parameters. p_table: the table. p_months_ahead: months after this one, at most 12.
-- Returns. The month that was made (YYYYMM) and how many rows moved into it; no row when nothing is left to do.
-- Locks. An advisory lock, so that one process at a time makes months; then as partition_attach.
-- Called by. app/tasks/sweep_store.py, make_partitions.
CREATE OR REPLACE FUNCTION partition_step(p_table text, p_months_ahead integer)
RETURNS TABLE (month text, moved bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    t record;
    run record;
    missing timestamptz;
BEGIN
    SELECT * INTO t FROM partitioned_tables() WHERE name = p_table;
    IF NOT FOUND THEN RAISE EXCEPTION '% is no table with months', p_table; END IF;
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    IF t.spare IS NOT NULL AND pg_table_size(format('%I', t.spare)::regclass) > 4 * 1024 * 1024 THEN
        -- The months that have no partition, in runs that no partition interrupts; of them the one with the most rows.
        SELECT min(r.month) AS first, max(r.month) AS last INTO run FROM (
            SELECT d.month, d.count, (
                SELECT count(*) FROM generate_series((SELECT min(m.month) FROM partitions_default_months(p_table) AS m),
                    d.month, interval '1 month') AS g WHERE partition_exists(p_table, g)
            ) AS number
            FROM partitions_default_months(p_table) AS d
        ) AS r GROUP BY r.number ORDER BY sum(r.count) DESC LIMIT 1;
        IF run.first IS NOT NULL THEN
            RETURN QUERY SELECT to_char(run.last, 'YYYYMM'), partition_from_default(p_table, run.first, run.last);
            RETURN;
        END IF;
    END IF;
    SELECT w.month INTO missing FROM (
        SELECT date_trunc('month', now()) + make_interval(months => n) AS month
        FROM generate_series(0, least(p_months_ahead, 12)) AS n
        UNION SELECT d.month FROM partitions_default_months(p_table) AS d
    ) AS w WHERE NOT partition_exists(p_table, w.month) ORDER BY w.month LIMIT 1;
    IF missing IS NOT NULL THEN
        RETURN QUERY SELECT to_char(missing, 'YYYYMM'), partition_attach(p_table, missing);
    END IF;
END $$;
