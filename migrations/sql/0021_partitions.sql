-- Months that are always there, and rows that come back out of the DEFAULT partitions.

-- Purpose: the month in which an id was made, by the time that a UUIDv7 carries. p_id: the id. Returns the month's first
-- moment, in UTC. Locks: none. Called by: partitions_default_months.
CREATE FUNCTION partition_month(p_id uuid) RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
    SELECT date_trunc('month', to_timestamp(('x' || left(replace(p_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0))
$$;

-- Purpose: the tables that are partitioned by the time in an id: today task, attempt and result. Returns each with the
-- column that it is partitioned by, and its DEFAULT partition. Locks: none. Called by: the functions below.
CREATE FUNCTION partitioned_tables() RETURNS TABLE (name text, key text, spare text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.relname::text, a.attname::text, d.relname::text
    FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = p.partrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.atttypid = 'uuid'::regtype
    LEFT JOIN pg_class d ON d.oid = p.partdefid
    WHERE p.partstrat = 'r' AND p.partnatts = 1 ORDER BY c.oid
$$;

-- Purpose: whether a month of a table has a partition, by the partitions' bounds and not by their names: after a large
-- DEFAULT partition has become one (partition_from_default), it may span several months. p_table: the table. p_month: the
-- month's first moment. Locks: none. Called by: the functions below.
CREATE FUNCTION partition_exists(p_table text, p_month timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('(.{36})'\) TO \('(.{36})'\)$re$) AS m
        WHERE i.inhparent = format('public.%I', p_table)::regclass
          AND m[1]::uuid <= partition_bound(p_month) AND m[2]::uuid > partition_bound(p_month)
    )
$$;

-- Purpose: the months of the rows that lie in a DEFAULT partition. p_table: the partitioned table. Returns each month with
-- the count of its rows, up to two years from now: an id from beyond that stays in DEFAULT, which nothing minds until its month
-- comes near. Locks: none that others wait for; it reads all of the DEFAULT partition, which is empty as a rule.
-- Called by: partition_step.
CREATE FUNCTION partitions_default_months(p_table text) RETURNS TABLE (month timestamptz, count bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    t record;
BEGIN
    SELECT * INTO t FROM partitioned_tables() WHERE name = p_table AND spare IS NOT NULL;
    IF NOT FOUND THEN RETURN; END IF;
    RETURN QUERY EXECUTE format(
        'SELECT partition_month(%1$I), count(*) FROM %2$I WHERE %1$I < partition_bound(now() + interval ''2 years'') GROUP BY 1',
        t.key, t.spare);
END $$;

-- Purpose: make the partition of one month, with the rows of it that lie in DEFAULT. p_table: the partitioned table.
-- p_month: the month's first moment. Returns how many rows were moved. Locks: the table and its DEFAULT partition, ACCESS
-- EXCLUSIVE, while these rows are copied: nobody can then look for a place for a row, and find DEFAULT, while the month is
-- attached. Waits 250 ms for a lock, then fails with lock_not_available: nobody waits long behind it. Called by: partition_step.
CREATE FUNCTION partition_attach(p_table text, p_month timestamptz) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '250ms' AS $$
DECLARE
    t record;
    made text := format('%s_p%s', p_table, to_char(p_month, 'YYYYMM'));
    low uuid := partition_bound(p_month);
    high uuid := partition_bound(p_month + interval '1 month');
    moved bigint := 0;
BEGIN
    SELECT * INTO STRICT t FROM partitioned_tables() WHERE name = p_table;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p_table);
    IF t.spare IS NULL THEN
        EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)', made, p_table, partition_parameters(p_table));
    ELSE
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', t.spare);
        EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)', made, t.spare, partition_parameters(p_table));
        EXECUTE format('WITH gone AS (DELETE FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *) '
            'INSERT INTO %5$I SELECT * FROM gone', t.spare, t.key, low, high, made);
        GET DIAGNOSTICS moved = ROW_COUNT;
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, made, low, high);
    RETURN moved;
END $$;

-- Purpose: let a large DEFAULT partition become the partition of the months whose rows it holds, and an empty one take its
-- place: no row is copied, however many there are, but those of other months, which go to the new DEFAULT. p_table: the
-- partitioned table. p_first, p_last: the first moments of the months from and to which it is; none between has a partition.
-- Returns the rows that were in it. Locks: as partition_attach, while all of the DEFAULT partition is read once. It is named
-- for its last month, so that drop_partitions drops it when that is over. Called by: partition_step.
CREATE FUNCTION partition_from_default(p_table text, p_first timestamptz, p_last timestamptz) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '250ms' AS $$
DECLARE
    t record;
    made text := format('%s_p%s', p_table, to_char(p_last, 'YYYYMM'));
    low uuid := partition_bound(p_first);
    high uuid := partition_bound(p_last + interval '1 month');
    held bigint;
BEGIN
    SELECT * INTO STRICT t FROM partitioned_tables() WHERE name = p_table;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p_table);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', t.spare);
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', p_table, t.spare);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', t.spare, made);
    EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL) WITH (%s)', t.spare, made, partition_parameters(p_table));
    EXECUTE format('WITH gone AS (DELETE FROM %1$I WHERE NOT (%2$I >= %3$L AND %2$I < %4$L) RETURNING *) '
        'INSERT INTO %5$I SELECT * FROM gone', made, t.key, low, high, t.spare);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, made, low, high);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', p_table, t.spare);
    EXECUTE format('SELECT count(*) FROM %I', made) INTO held;
    RETURN held;
END $$;

-- Purpose: do the next thing that is to be done for the months of one table: make a month that is missing, from this one to
-- p_months_ahead (12 at most), or one whose rows lie in DEFAULT. One call is one transaction, so that locks are short: call
-- it until it returns no row. p_table: the partitioned table. A DEFAULT partition of more than 4 MB becomes a partition as it
-- is; of a smaller one the rows are copied. Returns the month and how many rows it got out of DEFAULT.
-- Locks: an advisory one to the transaction's end, then as partition_attach. Called by: app/tasks/partitions.py, make_partitions.
CREATE FUNCTION partition_step(p_table text, p_months_ahead integer) RETURNS TABLE (month text, moved bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
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

-- Purpose: make all months of all tables, in one transaction: for a new database, and for a dispatcher of the version
-- before. p_months_ahead: months after this one. Returns how many were made. Locks: as partition_step, of every table.
CREATE OR REPLACE FUNCTION make_partitions(p_months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    parent text;
    made integer := 0;
BEGIN
    FOR parent IN SELECT name FROM partitioned_tables() LOOP
        WHILE EXISTS (SELECT FROM partition_step(parent, p_months_ahead)) LOOP
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Purpose: make one month of a table; whether it was missing. Called by: scripts/benchmark/archive.py.
CREATE OR REPLACE FUNCTION make_partition(p_parent text, p_month timestamptz) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF partition_exists(p_parent, date_trunc('month', p_month)) THEN RETURN false; END IF;
    PERFORM partition_attach(p_parent, date_trunc('month', p_month));
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION partition_month, partitioned_tables, partition_exists, partitions_default_months, partition_attach,
    partition_from_default, partition_step FROM public;
-- The dispatcher keeps the months, and the api makes them when it starts: where no dispatcher is, its rows still find them.
GRANT EXECUTE ON FUNCTION partitioned_tables, partition_step TO tq_dispatch, tq_submit;
