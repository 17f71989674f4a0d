-- The partitions: one for each month of the UUIDv7 in task, attempt, result and task_log, and one for each day of event. Each table
-- has a DEFAULT partition for rows whose month or day is missing. functions/partition_attach.sql makes the others, with the
-- storage parameters of functions/partition_parameters.sql. The DEFAULTs come first, because the others are made like them.

DO $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['task', 'attempt', 'result', 'task_log', 'event'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT WITH (%s)',
            parent || '_default', parent, partition_parameters(parent));
    END LOOP;
END $$;
SELECT make_partitions(1, 7);
