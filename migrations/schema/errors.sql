-- The errors of a tenant's tasks: each failed attempt is an occurrence of one of them.

-- No foreign key: a row is written only in the transaction that ends an attempt, and its task has one.
CREATE TABLE error_seen (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    fingerprint uuid NOT NULL,
    task text NOT NULL,
    type text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE error_seen IS
    'A failed attempt that is not counted yet. Ends only insert, so that none waits for another. errors_roll_up counts and deletes it.';
COMMENT ON COLUMN error_seen.fingerprint IS 'What the failures of one error have in common (app/tasks/run/fingerprint.py).';
COMMENT ON COLUMN error_seen.task IS 'Name of the task type.';
COMMENT ON COLUMN error_seen.type IS 'Type of the error. Its message is read from the attempt.';

-- No index on what a new occurrence changes: a tenant has few rows.
CREATE TABLE task_error (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    task text NOT NULL,
    type text NOT NULL,
    message text,
    status text NOT NULL DEFAULT 'unresolved' CHECK (status IN ('unresolved', 'resolved', 'ignored')),
    occurrences bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    last_task_id uuid NOT NULL,
    hourly integer[] NOT NULL,
    hourly_until timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    regressed_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE task_error IS
    'An error of a tenant: failures of one task type with the same fingerprint (docs/decisions/0020-errors-as-objects.md).';
COMMENT ON COLUMN task_error.id IS
    'Computed from tenant, task type and fingerprint (functions/error_id.sql), so a deleted error that is seen again has its old id.';
COMMENT ON COLUMN task_error.task IS 'Name of the task type.';
COMMENT ON COLUMN task_error.message IS 'Of the latest occurrence; null if its task was erased.';
COMMENT ON COLUMN task_error.last_task_id IS 'The task of the latest occurrence.';
COMMENT ON COLUMN task_error.hourly IS 'Occurrences in each of 24 hours (UTC); the last one begins at hourly_until.';
COMMENT ON COLUMN task_error.resolved_at IS 'When it was resolved; null if it was not, or was seen again since.';
COMMENT ON COLUMN task_error.resolved_by IS 'The key''s id or the member''s e-mail.';
COMMENT ON COLUMN task_error.regressed_at IS
    'When it was seen again after it was resolved; null if it was not, or a person has changed its status since.';

-- No foreign keys: a row goes with its task, and its error may be deleted before.
CREATE TABLE error_task (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    error_id uuid NOT NULL,
    attempt integer NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
-- Without the tenant, who is part of the error's id: if the statistics do not know a tenant, an index that begins with the tenant
-- looks as good as the primary key, and a lookup of one task would read all failed tasks of its tenant.
CREATE INDEX error_task_error ON error_task (error_id, task_id);
COMMENT ON TABLE error_task IS
    'Which error the latest failed attempt of a task is an occurrence of. A table of its own, so that no claim and no end of an attempt that succeeded writes it.';
COMMENT ON COLUMN error_task.attempt IS 'Number of that attempt.';
