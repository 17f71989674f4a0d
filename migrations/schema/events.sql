-- The event log, and up to which event each tenant's deliveries are made.

-- No foreign keys: an event is written in the transaction that changes its task, which has them.
CREATE TABLE event (
    tenant_id uuid NOT NULL,
    subject uuid NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    attempt integer NOT NULL,
    type smallint NOT NULL CHECK (type BETWEEN 1 AND 9),
    webhook_seq bigint,
    data jsonb
) PARTITION BY RANGE (created_at);
-- Not unique: a unique index would need created_at. The lock of tenant_slots makes each number unique.
CREATE INDEX event_seq ON event (tenant_id, seq);
CREATE INDEX event_webhook_seq ON event (tenant_id, webhook_seq) WHERE webhook_seq IS NOT NULL;
COMMENT ON TABLE event IS
    'What happened to a tenant''s tasks and endpoints, written in the same transaction (docs/decisions/0014-event-log.md). '
    'Rows never change. The content of an event about a task is read from task and attempt. Partitioned by day.';
COMMENT ON COLUMN event.subject IS 'The task (types 1 to 4), the endpoint (5, 6), the tenant (7), the key (8), or the schedule (9).';
COMMENT ON COLUMN event.seq IS
    'Number of the event within its tenant, from 1. Numbers have no gaps, and are committed in their order.';
COMMENT ON COLUMN event.created_at IS
    'When its transaction began, so not in the order of seq. The partition is chosen by it.';
COMMENT ON COLUMN event.attempt IS 'The task''s latest attempt; 0 before the first, and for an event about no task.';
COMMENT ON COLUMN event.type IS
    '1 task.succeeded, 2 task.failed, 3 task.revoked, 4 task.retrying, 5 endpoint.failing, 6 endpoint.disabled, '
    '7 quota.reached, 8 key.expiring, 9 schedule.skipped (functions/event_type_name.sql).';
COMMENT ON COLUMN event.webhook_seq IS
    'The same as seq if the event is sent to the task''s webhook_url, or the tenant has endpoints; null otherwise. A column '
    'of its own, so that only one index can answer a search for these events.';
COMMENT ON COLUMN event.data IS 'The content of an event that is about no task; null otherwise.';

CREATE TABLE webhook_cursor (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    seq bigint NOT NULL DEFAULT 0,
    read_from timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE webhook_cursor IS
    'Up to which event a tenant''s deliveries are made. The process that makes them locks the row until it commits.';
COMMENT ON COLUMN webhook_cursor.seq IS 'Events up to this number have their deliveries; 0 before the first.';
COMMENT ON COLUMN webhook_cursor.read_from IS
    'Events after seq were created at this time or later, so earlier days need not be read.';
