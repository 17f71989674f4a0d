-- Purpose. Make one month or day that is missing, or whose rows lie in DEFAULT. One call is one transaction, so that
--   each holds its locks for a short time.
-- Parameters. p_table: the table. p_ahead: months after this one, at most 12, or days after today, at most 31.
-- Returns. What was made (YYYYMM or YYYYMMDD) and how many rows moved into it; no row when nothing is left to do.
-- Locks. An advisory lock, so that one process at a time makes partitions; then as partition_attach.
-- Called by. app/tasks/sweep_store.py, make_partitions.
CREATE OR REPLACE FUNCTION partition_step(p_table text, p_ahead integer)
RETURNS TABLE (period text, moved bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    t record;
    step interval;
    pattern text;
    run record;
    missing timestamptz;
BEGIN
    SELECT * INTO t FROM partitioned_tables() WHERE name = p_table;
    IF NOT FOUND THEN RAISE EXCEPTION '% is no table with months or days', p_table; END IF;
    step := ('1 ' || t.unit)::interval;
    pattern := CASE t.unit WHEN 'month' THEN 'YYYYMM' ELSE 'YYYYMMDD' END;
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    IF t.spare IS NOT NULL AND pg_table_size(format('%I', t.spare)::regclass) > 4 * 1024 * 1024 THEN
        -- Those that have no partition, in runs that no partition interrupts; of them the run with the most rows.
        SELECT min(r.start) AS first, max(r.start) AS last INTO run FROM (
            SELECT d.start, d.count, (
                SELECT count(*) FROM generate_series(
                    (SELECT min(m.start) FROM partitions_default_periods(p_table) AS m), d.start, step
                ) AS g WHERE partition_exists(p_table, g)
            ) AS number
            FROM partitions_default_periods(p_table) AS d
        ) AS r GROUP BY r.number ORDER BY sum(r.count) DESC LIMIT 1;
        IF run.first IS NOT NULL THEN
            RETURN QUERY SELECT to_char(run.last, pattern), partition_from_default(p_table, run.first, run.last);
            RETURN;
        END IF;
    END IF;
    SELECT w.start INTO missing FROM (
        SELECT date_trunc(t.unit, now()) + n * step AS start
        FROM generate_series(0, least(p_ahead, CASE t.unit WHEN 'month' THEN 12 ELSE 31 END)) AS n
        UNION SELECT d.start FROM partitions_default_periods(p_table) AS d
    ) AS w WHERE NOT partition_exists(p_table, w.start) ORDER BY w.start LIMIT 1;
    IF missing IS NOT NULL THEN
        RETURN QUERY SELECT to_char(missing, pattern), partition_attach(p_table, missing);
    END IF;
END $$;
