-- How many tasks wait is never counted: it is what submits let in (tenant_admitted, locked by submits alone), plus what
-- came back from an attempt, less what was claimed, cancelled or expired (tenant_slots, which those lock anyway).
CREATE TABLE tenant_admitted (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    admitted bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
ALTER TABLE tenant_slots ADD COLUMN returned bigint NOT NULL DEFAULT 0, ADD COLUMN departed bigint NOT NULL DEFAULT 0;
LOCK TABLE backlog IN SHARE MODE;
INSERT INTO tenant_admitted (tenant_id, admitted)
    SELECT t.id, (SELECT count(*) FROM backlog b WHERE b.tenant_id = t.id) FROM tenant t;

-- A day by task type: tasks are counted where they are inserted, attempts and their time where they end.
CREATE TABLE usage_by_task (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    day date NOT NULL,
    task text NOT NULL,
    tasks bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    worker_seconds double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day, task)
) WITH (fillfactor = 50);
-- Insert-only, so that no end of an attempt waits for another; added up by usage_roll_up.
CREATE TABLE worker_time (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    day date NOT NULL,
    task text NOT NULL,
    seconds double precision NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenant_admitted', 'usage_by_task', 'worker_time'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format($policy$CREATE POLICY tenant ON %I TO tq_api, tq_submit, tq_worker
            USING ((tenant_id = ANY((SELECT current_setting('app.tenant_ids', true)::uuid[])::uuid[])) IS TRUE)$policy$,
            name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON tenant_admitted, usage_by_task TO tq_submit;
GRANT SELECT (tenant_id, returned, departed) ON tenant_slots TO tq_submit;
GRANT INSERT ON worker_time TO tq_worker;
GRANT SELECT ON tenant_admitted, usage_by_task, worker_time TO tq_api;
-- A cancel takes a task out of the backlog.
GRANT UPDATE (departed) ON tenant_slots TO tq_api;

-- Add up to p_limit ended attempts to their days; returns how many. In the order of the key, as submits do. A row that
-- somebody holds is left for the next time: the dispatcher waits for nobody.
CREATE FUNCTION usage_roll_up(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '100ms' AS $$
DECLARE
    rolled integer;
BEGIN
    WITH gone AS (
        DELETE FROM worker_time w WHERE w.id IN (SELECT o.id FROM worker_time o ORDER BY o.id LIMIT p_limit)
        RETURNING w.tenant_id, w.day, w.task, w.seconds
    ), added AS (
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT g.tenant_id, g.day, g.task, count(*), sum(g.seconds) FROM gone g GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    )
    SELECT count(*) INTO rolled FROM gone;
    RETURN rolled;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;

-- Make the counters of slots and backlogs what the rows say, and return those which were not: there should be none. What
-- is compared is of one snapshot, and what is written is the difference, so that nothing needs to stand still meanwhile.
CREATE FUNCTION ledger_reconcile() RETURNS TABLE (tenant_id uuid, running_off integer, waiting_off bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '100ms' AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH counted AS MATERIALIZED (
        SELECT s.tenant_id, s.running - coalesce(r.n, 0) AS running_off,
            coalesce(a.admitted, 0) + s.returned - s.departed - coalesce(b.n, 0) AS waiting_off
        FROM tenant_slots s
        JOIN tenant t ON t.id = s.tenant_id AND t.status <> 'deleted'
        LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id
        LEFT JOIN (SELECT o.tenant_id, count(*)::integer AS n FROM attempt o WHERE o.finished_at IS NULL GROUP BY 1) r
            ON r.tenant_id = s.tenant_id
        LEFT JOIN (SELECT w.tenant_id, count(*) AS n FROM backlog w GROUP BY 1) b ON b.tenant_id = s.tenant_id
    )
    UPDATE tenant_slots s SET running = s.running - c.running_off, departed = s.departed + c.waiting_off
    FROM counted c
    WHERE s.tenant_id = c.tenant_id AND (c.running_off <> 0 OR c.waiting_off <> 0)
    RETURNING c.tenant_id, c.running_off, c.waiting_off;
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
REVOKE ALL ON FUNCTION usage_roll_up, ledger_reconcile FROM public;
GRANT EXECUTE ON FUNCTION usage_roll_up, ledger_reconcile TO tq_dispatch;
