-- Tasks, their attempts and results, the backlog, and the idempotency keys of submits.

-- What never changes comes first: an update is logged from the first byte that it changes.
CREATE TABLE task (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    scheduled_at timestamptz,
    expires_at timestamptz,
    time_limit_seconds double precision NOT NULL,
    timeout_seconds double precision,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    max_attempts smallint NOT NULL CHECK (max_attempts BETWEEN 1 AND 25),
    task text NOT NULL,
    pool text NOT NULL CHECK (pool IN ('prefork', 'asyncio', 'http') OR pool LIKE 'remote:%'),
    payload json NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    metadata jsonb,
    metadata_labels uuid[],
    webhook_url text,
    retry_of uuid,
    traceparent text,
    due_at timestamptz NOT NULL,
    started_at timestamptz,
    attempt integer NOT NULL DEFAULT 0,
    failed_attempts integer NOT NULL DEFAULT 0,
    claim_token uuid,
    cancel_requested_at timestamptz,
    finished_at timestamptz,
    status text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),
    progress jsonb,
    error jsonb,
    result json,
    erased_at timestamptz,
    gates smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
-- Only tasks with metadata are in it. No column of it changes at a claim or an end. Without a list of pending entries, no submit
-- has to write those of earlier ones.
CREATE INDEX task_metadata ON task USING gin (metadata_labels) WITH (fastupdate = off) WHERE metadata_labels IS NOT NULL;
COMMENT ON TABLE task IS
    'A tenant''s unit of work. PENDING -> STARTED -> SUCCESS | FAILURE | REVOKED, STARTED -> RETRY -> STARTED. '
    'A row that has ended never changes, by a trigger, but for an erasure. Partitioned by the month in its id.';
COMMENT ON COLUMN task.id IS 'UUIDv7: it contains its time.';
COMMENT ON COLUMN task.task IS 'Name of the task type.';
COMMENT ON COLUMN task.pool IS 'The pool whose workers run it: prefork, asyncio, http, or remote:<task type> for the tenant''s own.';
COMMENT ON COLUMN task.priority IS '0 to 9; 9 is the most urgent.';
COMMENT ON COLUMN task.payload IS
    'The text that was submitted. json and not jsonb, which would change numbers (docs/decisions/0011-json-as-it-came.md).';
COMMENT ON COLUMN task.due_at IS 'When it may run: at once, at scheduled_at, or after the back-off of a retry.';
COMMENT ON COLUMN task.scheduled_at IS
    'The time in the future that the submit or a later change asked for; null if it asked for none.';
COMMENT ON COLUMN task.expires_at IS 'A task that has not started by then ends REVOKED; null if it does not expire.';
COMMENT ON COLUMN task.attempt IS 'Number of the latest attempt; 0 before the first.';
COMMENT ON COLUMN task.failed_attempts IS 'Attempts that count against max_attempts. Lost and returned ones do not.';
COMMENT ON COLUMN task.max_attempts IS 'After this many failed attempts the task ends with FAILURE.';
COMMENT ON COLUMN task.time_limit_seconds IS 'Hard limit of one attempt, in seconds.';
COMMENT ON COLUMN task.timeout_seconds IS
    'Soft limit of one attempt that the submit asked for, in seconds; null if it asked for none.';
COMMENT ON COLUMN task.claim_token IS
    'Token of the latest attempt. A write for an attempt must name it, or it changes nothing.';
COMMENT ON COLUMN task.cancel_requested_at IS 'When a cancel was requested; null if none was.';
COMMENT ON COLUMN task.error IS '{type, message, attempt} of the latest failure.';
COMMENT ON COLUMN task.retry_of IS 'The task that this one repeats, by a call of the tenant; null for other tasks.';
COMMENT ON COLUMN task.traceparent IS 'W3C trace context of the submit; null if it had none.';
COMMENT ON COLUMN task.started_at IS 'Start of the first attempt; null before it.';
COMMENT ON COLUMN task.finished_at IS 'When the task ended with SUCCESS, FAILURE or REVOKED; null before.';
COMMENT ON COLUMN task.progress IS '{done, total, note}: the last report of the latest attempt.';
COMMENT ON COLUMN task.result IS
    'What the task returned, as the JSON text that the worker sent. Null if it did not succeed, or if its result is larger '
    'than SMALL_RESULT (app/tasks/run/outcomes.py): then it is in the table result.';
COMMENT ON COLUMN task.metadata IS 'A JSON object of texts that the submit gave; null if it gave none.';
COMMENT ON COLUMN task.metadata_labels IS 'What its metadata is found by (functions/metadata_labels.sql); null without metadata.';
COMMENT ON COLUMN task.erased_at IS
    'When its tenant erased payload, result, error, progress, tags, metadata and log (functions/task_erase.sql); null if it did not.';
COMMENT ON COLUMN task.gates IS
    'Bits: 1 other tasks wait, or have waited, for its end; 2 it waits, or has waited, for other tasks (held, dependency).';
-- AFTER: a trigger that comes before an update locks the row for it, which is one more record in the log.
CREATE TRIGGER task_terminal AFTER UPDATE ON task FOR EACH ROW
    WHEN (OLD.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) EXECUTE FUNCTION refuse_terminal_change();

-- No foreign keys here and in result: a row is written only in the transaction that changes its task, and the task has one.
CREATE TABLE attempt (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    claim_token uuid NOT NULL,
    worker_id uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz NOT NULL,
    waited_seconds real NOT NULL DEFAULT 0,
    limited_seconds real NOT NULL DEFAULT 0,
    finished_at timestamptz,
    status text NOT NULL DEFAULT 'STARTED'
        CHECK (status IN ('STARTED', 'SUCCESS', 'FAILURE', 'REVOKED', 'LOST', 'RETURNED')),
    error jsonb,
    PRIMARY KEY (tenant_id, task_id, attempt)
) PARTITION BY RANGE (task_id);
-- By worker, for the rescuer. The condition is finished_at and not status, because a plan that looks for one attempt by its
-- key must not choose this index.
CREATE INDEX attempt_running ON attempt (worker_id) WHERE finished_at IS NULL;
COMMENT ON TABLE attempt IS
    'One run of a task: STARTED, then SUCCESS, FAILURE or REVOKED, or LOST or RETURNED, which do not count.';
COMMENT ON COLUMN attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN attempt.status IS
    'SUCCESS, FAILURE, REVOKED: its code has ended. LOST: its worker is gone, or its deadline is over. '
    'RETURNED: its worker has given it back.';
COMMENT ON COLUMN attempt.claim_token IS
    'Stays after the end, so that a repeated end is recognised (functions/attempts_finish.sql).';
COMMENT ON COLUMN attempt.worker_id IS
    'The worker that claimed it. No foreign key: attempts are kept longer than workers.';
COMMENT ON COLUMN attempt.error IS '{type, message, attempt}; null without an error.';
COMMENT ON COLUMN attempt.deadline_at IS
    'Start, hard limit and DEADLINE_GRACE (app/tasks/run/timing.py). After this time the attempt is lost, even if its worker lives.';
COMMENT ON COLUMN attempt.waited_seconds IS 'Seconds from task.due_at to the claim.';
COMMENT ON COLUMN attempt.limited_seconds IS
    'The part of waited_seconds in which the tenant''s running tasks stood at their limit (tenant_slots.full_since).';
COMMENT ON COLUMN attempt.finished_at IS 'Null while it runs.';

CREATE TABLE result (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    result json NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) PARTITION BY RANGE (task_id);
COMMENT ON TABLE result IS 'Results that are too large for the row of their task (task.result).';
COMMENT ON COLUMN result.result IS 'What the task returned, as the JSON text that the worker sent.';

-- No foreign key: a line is written only while its task's row is locked, and the task has one.
CREATE TABLE task_log (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')),
    message text NOT NULL,
    fields jsonb,
    PRIMARY KEY (tenant_id, task_id, attempt, seq)
) PARTITION BY RANGE (task_id);
COMMENT ON TABLE task_log IS
    'The lines that a task''s code has logged. Rows never change; they go with their task, or when it is erased. Written by app/tasks/log_store.py while the attempt runs.';
COMMENT ON COLUMN task_log.seq IS 'Number of the line within its attempt, from 1.';
COMMENT ON COLUMN task_log.at IS 'When the code logged it, by the clock of the worker''s machine.';
COMMENT ON COLUMN task_log.message IS 'At most 2,000 characters.';
COMMENT ON COLUMN task_log.fields IS 'A JSON object: the extra fields of the line; null without any.';

-- No foreign keys: a row is written only in the transaction that writes its task, and the task has one. Another one here
-- would cost a fifth of a submit and would guarantee nothing more.
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
-- The pool comes first. If the statistics do not know a tenant, an index that begins with the tenant looks as good as the
-- primary key, and a lookup of one task would read all tasks that its tenant has waiting.
CREATE INDEX backlog_due ON backlog (pool, tenant_id, priority, due_at);
CREATE INDEX backlog_expiring ON backlog (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX backlog_expiring_by_tenant ON backlog (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX backlog_long ON backlog (tenant_id, pool, due_at) WHERE is_long;
CREATE INDEX backlog_scheduled ON backlog (due_at) WHERE is_scheduled;
COMMENT ON TABLE backlog IS
    'A waiting task. The transaction that deletes the row may start or end the task. Rows are few and small, so that a '
    'claim costs the same with any number of tasks and partitions (docs/decisions/0003-backlog-table.md).';
COMMENT ON COLUMN backlog.priority IS 'The same as task.priority: 0 to 9; 9 is the most urgent.';
COMMENT ON COLUMN backlog.due_at IS 'The same as task.due_at: not claimed before this time.';
COMMENT ON COLUMN backlog.expires_at IS
    'The same as task.expires_at: not claimed from this time on. Null also if the task was claimed before.';
COMMENT ON COLUMN backlog.is_scheduled IS
    'Due in the future when it was written, or back from an attempt. The dispatcher offers its ticket when it is due.';
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
COMMENT ON TABLE idempotency_key IS
    'The key of a request, the fingerprint of its body and the first task that it made. Kept for 24 h.';
COMMENT ON COLUMN idempotency_key.fingerprint IS
    'Hash of the body (app/tasks/submit/idempotency.py). The same key with another fingerprint is refused.';
COMMENT ON COLUMN idempotency_key.answer IS
    'The answer to the request if it names several tasks; null if task_id is enough.';
