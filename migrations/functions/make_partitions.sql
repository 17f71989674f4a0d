-- Purpose. Make all months and days of all tables, in one transaction: for a new database.
-- Parameters. p_months_ahead: months after this one. p_days_ahead: days after today.
-- Returns. How many were made.
-- Locks. As partition_step, of every table.
-- Called by. migrations/schema/partitions.sql.
CREATE OR REPLACE FUNCTION make_partitions(p_months_ahead integer, p_days_ahead integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    parent record;
    made integer := 0;
BEGIN
    FOR parent IN
        SELECT t.name, CASE t.unit WHEN 'month' THEN p_months_ahead ELSE p_days_ahead END AS ahead
        FROM partitioned_tables() AS t
    LOOP
        WHILE EXISTS (SELECT FROM partition_step(parent.name, parent.ahead)) LOOP
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
