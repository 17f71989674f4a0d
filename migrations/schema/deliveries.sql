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
COMMENT ON COLUMN webhook_secret.expires_at IS 'Several are valid during a rotation; after this time this one is not.';

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
CREATE INDEX delivery_due ON delivery (due_at) WHERE status = 'PENDING';
CREATE INDEX delivery_url_key ON delivery (tenant_id, url_key, due_at) WHERE status = 'PENDING';
COMMENT ON TABLE delivery IS 'One event to one URL: the exact bytes to send, and when to try next.';
COMMENT ON COLUMN delivery.status IS 'PENDING, DELIVERED, or FAILED: every attempt is used up.';
COMMENT ON COLUMN delivery.attempt IS 'Attempts so far.';
COMMENT ON COLUMN delivery.due_at IS 'When to try next; while it is being tried, the end of the lease.';
COMMENT ON COLUMN delivery.claim_token IS 'Token of the attempt under way. It fences, as task.claim_token does.';
COMMENT ON COLUMN delivery.url_key IS
    'The URL without its query. Due deliveries are taken by this key, one after the other, '
    'so that a receiver that answers slowly keeps no other waiting.';

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
COMMENT ON COLUMN delivery_attempt.duration_ms IS 'Milliseconds from its start to the answer, or to the error.';
COMMENT ON COLUMN delivery_attempt.response_status IS 'HTTP status; null where no answer came.';
