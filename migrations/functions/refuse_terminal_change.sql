-- Purpose. Refuse to change a task that has ended. One change is allowed: to erase what it was about, once and completely.
-- Parameters. None.
-- Returns. The new row if it is the old one, erased (task_erase). Otherwise nothing, because it raises TQ001.
-- Locks. None.
-- Called by. a trigger of task.
CREATE OR REPLACE FUNCTION refuse_terminal_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    erased record := OLD;
BEGIN
    IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL THEN
        erased.payload := 'null';
        erased.error := NULL;
        erased.result := NULL;
        erased.progress := NULL;
        erased.tags := '{}';
        erased.metadata := NULL;
        erased.metadata_labels := NULL;
        erased.erased_at := NEW.erased_at;
        -- *= compares the bytes of two rows: json has no = operator.
        IF NEW *= erased THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'task % is % and never changes', OLD.id, OLD.status USING ERRCODE = 'TQ001';
END $$;
