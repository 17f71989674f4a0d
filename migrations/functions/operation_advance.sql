-- Purpose. Record the progress of an operation, in the transaction of what it has done. It changes nothing and raises an error
--   if another process was faster, so that this transaction is rolled back and nothing is done or counted twice.
-- Parameters. p_tenant, p_operation: the operation. p_from: its cursor as the caller has read it. p_to: the new cursor, null if
--   nothing is left. p_is_counting: true if tasks were only counted. p_total: how many were counted. p_done, p_failed, p_skipped:
--   what became of the tasks between the cursors. p_errors: an array of failures, newest first. p_max_errors: how many
--   failures are kept. p_fence: the token of the dispatcher's lease.
-- Returns. Nothing. Raises TQ004 if the operation does not run, its cursor is another one, or another dispatcher leads.
-- Locks. The row of operation.
-- Called by. app/operations/store.py.
CREATE OR REPLACE FUNCTION operation_advance(
    p_tenant uuid, p_operation uuid, p_from uuid, p_to uuid, p_is_counting boolean, p_total integer, p_done integer,
    p_failed integer, p_skipped integer, p_errors jsonb, p_max_errors integer, p_fence uuid
)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    has_ended boolean := p_to IS NULL AND NOT p_is_counting;
BEGIN
    UPDATE operation o
    -- After the count, the cursor begins again for the act itself.
    SET cursor = coalesce(p_to, '00000000-0000-0000-0000-000000000000'),
        is_counted = o.is_counted OR p_to IS NULL,
        total = CASE WHEN has_ended THEN o.done + o.failed + o.skipped + p_done + p_failed + p_skipped
                     ELSE o.total + p_total END,
        done = o.done + p_done, failed = o.failed + p_failed, skipped = o.skipped + p_skipped,
        errors = (
            SELECT coalesce(jsonb_agg(e.failure ORDER BY e.place), '[]')
            FROM jsonb_array_elements(p_errors || o.errors) WITH ORDINALITY AS e (failure, place)
            WHERE e.place <= p_max_errors
        ),
        waiting_for_limit = NULL,
        status = CASE WHEN has_ended THEN 'SUCCEEDED' ELSE o.status END,
        finished_at = CASE WHEN has_ended THEN now() END
    WHERE o.tenant_id = p_tenant AND o.id = p_operation AND o.status = 'RUNNING' AND o.cursor = p_from
      AND o.is_counted <> p_is_counting AND dispatcher_leads(p_fence);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'operation % is not where it was', p_operation USING ERRCODE = 'TQ004';
    END IF;
END $$;
