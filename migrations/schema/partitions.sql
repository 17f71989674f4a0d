-- The partitions of task, attempt and result, one for each month of UUIDv7, and of event, one for each day. Each table
-- has a DEFAULT for a row whose month or day is missing. One function makes them (functions/partition_attach.sql), with
-- the storage parameters of partition_parameters.

DO $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['task', 'attempt', 'result', 'event'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT WITH (%s)',
            parent || '_default', parent, partition_parameters(parent));
    END LOOP;
END $$;
SELECT make_partitions(1, 7);
