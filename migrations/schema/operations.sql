-- Operations: acts on many of a tenant's objects, which run in the background.

CREATE TABLE operation (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'schedules.backfill', 'tasks.cancel', 'tasks.retry', 'webhooks.recover', 'webhooks.replay_missing', 'webhooks.resend')),
    status text NOT NULL DEFAULT 'RUNNING' CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    filter jsonb NOT NULL,
    asked_by text NOT NULL,
    cursor uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    is_counted boolean NOT NULL DEFAULT false,
    total bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    errors jsonb NOT NULL DEFAULT '[]',
    waiting_for_limit text CHECK (waiting_for_limit IN ('backlog', 'tasks_per_day', 'tasks_per_month')),
    cancel_requested_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    idempotency_key text,
    fingerprint bytea,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX operation_idempotency_key ON operation (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX operation_running ON operation (tenant_id) WHERE finished_at IS NULL;
COMMENT ON TABLE operation IS
    'An act on many of a tenant''s objects, which the leading dispatcher runs in small transactions. Each of them moves '
    'cursor and the counts together with what it does (docs/decisions/0018-background-acts.md).';
COMMENT ON COLUMN operation.id IS 'UUIDv7: it contains its time.';
COMMENT ON COLUMN operation.filter IS
    'The conditions of the request (app/operations/schemas.py and webhook_schemas.py). Tasks that were created after created_at, '
    'and deliveries that ended after it, never match.';
COMMENT ON COLUMN operation.asked_by IS 'The key''s id or the member''s e-mail.';
COMMENT ON COLUMN operation.cursor IS
    'The last task that was counted, or acted on once is_counted is true. Tasks are visited in the order of their ids.';
COMMENT ON COLUMN operation.is_counted IS 'Whether total is known. Counting comes first, and changes no task.';
COMMENT ON COLUMN operation.total IS 'Matching tasks, deliveries or events that were counted; at the end done + failed + skipped.';
COMMENT ON COLUMN operation.done IS 'Tasks that were cancelled or asked to end, new tasks that were made, or deliveries that are sent.';
COMMENT ON COLUMN operation.failed IS 'Tasks or deliveries on which the act was not possible.';
COMMENT ON COLUMN operation.skipped IS 'Those that no longer matched when they were reached.';
COMMENT ON COLUMN operation.errors IS 'An array of {task_id or delivery_id, detail}: the latest failures, at most 20.';
COMMENT ON COLUMN operation.waiting_for_limit IS 'Name of the limit that leaves no room for the next task; null if none does.';
COMMENT ON COLUMN operation.idempotency_key IS
    'Key of the request, for 24 h. After that another request may use it, and it becomes null here.';
COMMENT ON COLUMN operation.fingerprint IS 'Hash of the request''s body; null without a key.';
