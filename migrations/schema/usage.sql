-- How much each tenant has used of each task type. What counts against its quotas is in tenant_admitted.

CREATE TABLE usage_by_task (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    day date NOT NULL,
    task text NOT NULL,
    tasks bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    worker_seconds double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day, task)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE usage_by_task IS 'What a tenant has used of one task type on one day.';
COMMENT ON COLUMN usage_by_task.day IS
    'In UTC. tasks are counted on the day of the submit, attempts and worker_seconds on the day of the end.';
COMMENT ON COLUMN usage_by_task.tasks IS 'Tasks accepted.';
COMMENT ON COLUMN usage_by_task.attempts IS 'Attempts whose code has ended.';
COMMENT ON COLUMN usage_by_task.worker_seconds IS 'Seconds that these attempts took.';

-- No foreign key: a row is written only in the transaction that ends a task, and the task has one.
CREATE TABLE worker_time (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now(),
    task text NOT NULL,
    seconds double precision NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    samples integer[] NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE worker_time IS
    'Attempts and tasks of one task type that ended together. Ends only insert, so that none waits for another. usage_roll_up adds up.';
COMMENT ON COLUMN worker_time.attempts IS 'Attempts whose code has ended.';
COMMENT ON COLUMN worker_time.samples IS
    'A number for each attempt whose code has ended and for each other end of a task (functions/stat_sample.sql).';
COMMENT ON COLUMN worker_time.seconds IS 'Seconds that a worker spent on all of them together.';
