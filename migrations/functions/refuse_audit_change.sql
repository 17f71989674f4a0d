-- Purpose. Refuse to change an audit event.
-- Parameters. None.
-- Returns. Nothing, because it raises TQ002.
-- Locks. None.
-- Called by. a trigger of audit_event.
CREATE OR REPLACE FUNCTION refuse_audit_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'TQ002';
END $$;
