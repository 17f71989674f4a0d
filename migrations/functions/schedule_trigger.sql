-- Purpose. Record a fire that somebody asks for now, in the transaction that stores its task.
-- Parameters. p_tenant, p_schedule: the schedule. p_task: the id of the task.
-- Returns. Nothing. Raises TQ006 if there is no such schedule.
-- Locks. The row of schedule. Call it before anything of the task is locked.
-- Called by. app/schedules/store.py.
CREATE OR REPLACE FUNCTION schedule_trigger(p_tenant uuid, p_schedule uuid, p_task uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE schedule s SET version = s.version + 1, last_task_id = p_task
    WHERE s.tenant_id = p_tenant AND s.id = p_schedule;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no schedule %', p_schedule USING ERRCODE = 'TQ006';
    END IF;
    -- By the clock at this moment, under the lock of the schedule: two triggers have two times.
    INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, reason, task_id)
    VALUES (p_tenant, p_schedule, clock_timestamp(), 'fired', 'trigger', p_task);
END $$;
