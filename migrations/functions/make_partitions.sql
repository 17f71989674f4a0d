-- Purpose. Make all months of all tables, in one transaction: for a new database.
-- Parameters. p_months_ahead: months after this one.
-- Returns. How many were made.
-- Locks. As partition_step, of every table.
-- Called by. migrations/schema/partitions.sql.
CREATE OR REPLACE FUNCTION make_partitions(p_months_ahead integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC'
AS $$
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
