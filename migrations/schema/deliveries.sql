-- Webhooks: the secrets that sign them, deliveries, and the attempts of each.

CREATE TABLE webhook_secret (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON COLUMN webhook_secret.sealed IS
    'AES-256-GCM under a key of the tenant (docs/security.md), with the key''s id in the clear.';
COMMENT ON COLUMN webhook_secret.expires_at IS
    'The secret is invalid from this time on; null if it has no end. Several are valid during a rotation.';

CREATE TABLE delivery (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    event_type text NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    status text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
    attempt integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claim_token uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    url_key text NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- Without the tenant: an index that begins with it could be chosen to find one delivery, and read all of the tenant's.
CREATE INDEX delivery_task ON delivery (task_id);
CREATE INDEX delivery_due ON delivery (due_at) WHERE status = 'PENDING';
CREATE INDEX delivery_url_key ON delivery (tenant_id, url_key, due_at) WHERE status = 'PENDING';
COMMENT ON TABLE delivery IS 'One event for one URL, with the exact bytes to send and the time of the next attempt.';
COMMENT ON COLUMN delivery.id IS 'The id of the event (functions/event_id.sql), so an event never gets two deliveries.';
COMMENT ON COLUMN delivery.event_type IS 'The name of the event''s type (functions/event_type_name.sql).';
COMMENT ON COLUMN delivery.body IS 'Exactly these bytes are signed and sent with every attempt. Without the result once the task is erased.';
COMMENT ON COLUMN delivery.status IS 'PENDING, DELIVERED, or FAILED if every attempt has failed.';
COMMENT ON COLUMN delivery.attempt IS 'Attempts so far.';
COMMENT ON COLUMN delivery.due_at IS 'Time of the next attempt; while an attempt runs, the end of its lease.';
COMMENT ON COLUMN delivery.claim_token IS
    'Token of the attempt that runs; null if none does. A write for the attempt must name it.';
COMMENT ON COLUMN delivery.finished_at IS 'Null while the status is PENDING.';
COMMENT ON COLUMN delivery.url_key IS
    'The URL without query and fragment. Due deliveries are taken from one key after the other, so that no receiver '
    'waits for a slow one.';

CREATE TABLE delivery_attempt (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    response_status integer,
    error text,
    PRIMARY KEY (tenant_id, delivery_id, attempt),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES delivery ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON COLUMN delivery_attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN delivery_attempt.duration_ms IS 'Milliseconds from its start to the answer or the error.';
COMMENT ON COLUMN delivery_attempt.response_status IS 'HTTP status; null if no answer came.';
