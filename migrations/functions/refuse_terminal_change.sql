-- Purpose. Refuse to change a task that has ended.
-- Parameters. None.
-- Returns. Nothing, because it raises TQ001.
-- Locks. None.
-- Called by. a trigger of task.
CREATE OR REPLACE FUNCTION refuse_terminal_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'task % is % and never changes', OLD.id, OLD.status USING ERRCODE = 'TQ001';
END $$;
