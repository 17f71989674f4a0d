-- Tasks, their attempts and results, the backlog, and the idempotency keys of submits.

CREATE TABLE task (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    task text NOT NULL,
    pool text NOT NULL CHECK (pool IN ('prefork', 'asyncio')),
    status text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    payload json NOT NULL,
    due_at timestamptz NOT NULL,
    scheduled_at timestamptz,
    expires_at timestamptz,
    attempt integer NOT NULL DEFAULT 0,
    failed_attempts integer NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL CHECK (max_attempts BETWEEN 1 AND 25),
    time_limit_seconds double precision NOT NULL,
    timeout_seconds double precision,
    claim_token uuid,
    cancel_requested_at timestamptz,
    error jsonb,
    tags text[] NOT NULL DEFAULT '{}',
    webhook_url text,
    retry_of uuid,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    progress jsonb,
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
COMMENT ON TABLE task IS
    'A tenant''s unit of work. PENDING -> STARTED -> SUCCESS | FAILURE | REVOKED, STARTED -> RETRY -> STARTED. '
    'A row that has ended never changes, by a trigger. Partitioned by the month in its id.';
COMMENT ON COLUMN task.id IS 'UUIDv7: it carries its time.';
COMMENT ON COLUMN task.task IS 'Name of the task type.';
COMMENT ON COLUMN task.priority IS '0 to 9; 9 is the most urgent.';
COMMENT ON COLUMN task.payload IS 'The text that came: json and not jsonb, which would change numbers (docs/decisions/0011-json-as-it-came.md).';
COMMENT ON COLUMN task.due_at IS 'When it may run: at once, at scheduled_at, or after the back-off of a retry.';
COMMENT ON COLUMN task.expires_at IS 'A task that has not started by then ends REVOKED.';
COMMENT ON COLUMN task.attempt IS 'Number of the latest attempt; 0 before the first.';
COMMENT ON COLUMN task.failed_attempts IS 'Attempts that count against max_attempts.';
COMMENT ON COLUMN task.time_limit_seconds IS 'Hard limit of one attempt, in seconds.';
COMMENT ON COLUMN task.timeout_seconds IS 'Soft limit that the submit asked for, in seconds.';
COMMENT ON COLUMN task.claim_token IS 'Token of the latest attempt. It fences: a write that does not name it changes nothing.';
COMMENT ON COLUMN task.error IS '{type, message, attempt} of the latest failure.';
COMMENT ON COLUMN task.progress IS '{done, total, note}, as the latest attempt reported it last.';
CREATE TRIGGER task_terminal BEFORE UPDATE ON task FOR EACH ROW
    WHEN (OLD.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) EXECUTE FUNCTION refuse_terminal_change();

CREATE TABLE attempt (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    status text NOT NULL DEFAULT 'STARTED'
        CHECK (status IN ('STARTED', 'SUCCESS', 'FAILURE', 'REVOKED', 'LOST', 'RETURNED')),
    claim_token uuid NOT NULL,
    worker_id uuid NOT NULL,
    error jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, task_id, attempt)
) PARTITION BY RANGE (task_id);
-- By worker, for the rescuer. finished_at and not status: a plan that looks for one attempt by its key must not take
-- this index for a better one.
CREATE INDEX attempt_running ON attempt (worker_id) WHERE finished_at IS NULL;
COMMENT ON TABLE attempt IS
    'One run of a task: STARTED, then SUCCESS, FAILURE or REVOKED, or LOST or RETURNED, which do not count.';
COMMENT ON COLUMN attempt.deadline_at IS
    'The hard limit and 5 s more (functions/tasks_claim.sql): after it the attempt is lost, whatever its worker says.';

CREATE TABLE result (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    task_id uuid NOT NULL,
    result json NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) PARTITION BY RANGE (task_id);
COMMENT ON COLUMN result.result IS 'What the task returned, as the text that came.';

-- Its tenant is that of its task, in whose transaction alone it is written: a foreign key here would cost a fifth of a
-- submit and would hold nothing that the task's own foreign key does not hold.
CREATE TABLE backlog (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    pool text NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    is_scheduled boolean NOT NULL,
    expires_at timestamptz,
    is_long boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, task_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- The pool comes first: where statistics do not know a tenant, an index that begins with the tenant looks as good as the
-- primary key, and a lookup of one task would read all that its tenant has waiting.
CREATE INDEX backlog_due ON backlog (pool, tenant_id, priority, due_at);
CREATE INDEX backlog_expiring ON backlog (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX backlog_long ON backlog (tenant_id, pool, due_at) WHERE is_long;
CREATE INDEX backlog_scheduled ON backlog (due_at) WHERE is_scheduled;
COMMENT ON TABLE backlog IS
    'A waiting task. Who deletes the row has the right to run or end the task. Small, so that a claim costs the same over '
    'any number of partitions (docs/decisions/0003-backlog-table.md).';
COMMENT ON COLUMN backlog.is_scheduled IS 'Due in the future when it was written: the dispatcher offers its ticket.';
COMMENT ON COLUMN backlog.is_long IS 'Its task type was known to be long when it was written.';

CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    answer text,
    PRIMARY KEY (tenant_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);
COMMENT ON TABLE idempotency_key IS 'The key of a request, the fingerprint of its body and the first task that it made; kept 24 h.';
COMMENT ON COLUMN idempotency_key.answer IS
    'What the request was answered with, where that names several tasks; null where task_id says all.';
