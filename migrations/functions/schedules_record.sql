-- Purpose. Record what became of due fires, in the transaction that stores their tasks. It changes nothing and raises an error
--   if another process was faster or a schedule has changed, so that this transaction is rolled back and nothing is fired twice.
-- Parameters. p_tenant: the tenant of all schedules. p_steps: an array of {id, version, next_fire_at, queued_fire_at,
--   last_fire_at, last_task_id, fires, paused_by, pause_note}: version as the caller has read it; last_fire_at and last_task_id
--   null to keep those; fires to add; paused_by null unless the schedule is paused now. p_fires: an array of {schedule_id,
--   fire_at, outcome, reason, count, until, task_id}, one for each row to write. p_fence: the token of the dispatcher's lease.
-- Returns. Nothing. Raises TQ005 if a schedule is not at its version, or another dispatcher leads.
-- Locks. schedule in the order of ids. Call it before anything of the tasks is locked.
-- Called by. app/schedules/store.py.
CREATE OR REPLACE FUNCTION schedules_record(p_tenant uuid, p_steps jsonb, p_fires jsonb, p_fence uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    step record;
BEGIN
    -- One after the other: each is found by its key, whatever the statistics say, and locked in the order of ids.
    FOR step IN SELECT * FROM jsonb_to_recordset(p_steps) AS p (
        id uuid, version bigint, next_fire_at timestamptz, queued_fire_at timestamptz, last_fire_at timestamptz,
        last_task_id uuid, fires integer, paused_by text, pause_note text) ORDER BY p.id
    LOOP
        UPDATE schedule s
        SET version = s.version + 1, next_fire_at = step.next_fire_at, queued_fire_at = step.queued_fire_at,
            last_fire_at = coalesce(step.last_fire_at, s.last_fire_at),
            last_task_id = coalesce(step.last_task_id, s.last_task_id), fires = s.fires + step.fires,
            paused_at = CASE WHEN step.paused_by IS NOT NULL THEN now() END, paused_by = step.paused_by,
            pause_note = step.pause_note
        WHERE s.tenant_id = p_tenant AND s.id = step.id AND s.version = step.version AND s.paused_at IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'schedule % is not where it was', step.id USING ERRCODE = 'TQ005';
        END IF;
    END LOOP;
    IF NOT dispatcher_leads(p_fence) THEN
        RAISE EXCEPTION 'another dispatcher leads' USING ERRCODE = 'TQ005';
    END IF;
    INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, reason, count, until, task_id)
    SELECT p_tenant, f.schedule_id, f.fire_at, f.outcome, f.reason, f.count, f.until, f.task_id
    FROM jsonb_to_recordset(p_fires) AS f (
        schedule_id uuid, fire_at timestamptz, outcome text, reason text, count integer, until timestamptz, task_id uuid);
END $$;
