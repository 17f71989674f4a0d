-- Purpose. Record past times of a schedule that somebody makes up, in the transaction that stores their tasks.
-- Parameters. p_tenant, p_schedule: the schedule. p_fires: an array of {fire_at, task_id, following}: following is the
--   schedule's next time after it, null if there is none.
-- Returns. Nothing. Raises TQ006 if there is no such schedule, and TQ004 if one of the times has a task already.
-- Locks. The row of schedule, then those of schedule_fire. Call it before anything of the tasks is locked.
-- Called by. app/schedules/store.py.
CREATE OR REPLACE FUNCTION schedule_backfill(p_tenant uuid, p_schedule uuid, p_fires jsonb)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    made record;
    known schedule_fire;
BEGIN
    PERFORM FROM schedule s WHERE s.tenant_id = p_tenant AND s.id = p_schedule FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no schedule %', p_schedule USING ERRCODE = 'TQ006';
    END IF;
    FOR made IN
        SELECT * FROM jsonb_to_recordset(p_fires) AS f (fire_at timestamptz, task_id uuid, following timestamptz)
        ORDER BY f.fire_at
    LOOP
        SELECT * INTO known FROM schedule_fire f
        WHERE f.tenant_id = p_tenant AND f.schedule_id = p_schedule AND f.fire_at = made.fire_at LIMIT 1;
        INSERT INTO schedule_fire AS f (tenant_id, schedule_id, fire_at, outcome, reason, task_id)
        VALUES (p_tenant, p_schedule, made.fire_at, 'fired', 'backfill', made.task_id)
        ON CONFLICT (tenant_id, schedule_id, fire_at) DO UPDATE
            SET outcome = 'fired', reason = 'backfill', task_id = excluded.task_id, count = 1, until = NULL
            WHERE f.outcome <> 'fired';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'schedule % has fired at %', p_schedule, made.fire_at USING ERRCODE = 'TQ004';
        END IF;
        -- A row that stands for several times begins at the next one of them now.
        IF known.count > 1 AND made.following IS NOT NULL THEN
            INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, reason, count, until, created_at)
            VALUES (p_tenant, p_schedule, made.following, known.outcome, known.reason, known.count - 1,
                CASE WHEN known.count > 2 THEN known.until END, known.created_at)
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
END $$;
