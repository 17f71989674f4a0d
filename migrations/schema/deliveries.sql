-- Webhooks: endpoints, the secrets that sign, deliveries, and the attempts of each.

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
COMMENT ON TABLE webhook_secret IS 'What signs deliveries to the webhook_url of tasks. Endpoints have secrets of their own.';

CREATE TABLE endpoint (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    url text NOT NULL,
    description text,
    event_types text[] NOT NULL,
    filter_tasks text[],
    filter_tags text[],
    sealed_headers text,
    header_names text[] NOT NULL DEFAULT '{}',
    rate_per_second integer CHECK (rate_per_second > 0),
    rate_until timestamptz,
    after_seq bigint NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    disabled_at timestamptz,
    disabled_by text CHECK (disabled_by IN ('tenant', 'operator', 'gone', 'failing')),
    failing_since timestamptz,
    failing_told_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK (enabled = (disabled_at IS NULL) AND enabled = (disabled_by IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX endpoint_unwell ON endpoint (tenant_id, id) WHERE NOT enabled OR failing_since IS NOT NULL;
COMMENT ON TABLE endpoint IS
    'A URL that gets the events of a tenant. Tenants with a row here have the bit 2 in tenant_slots.features.';
COMMENT ON COLUMN endpoint.event_types IS 'Names of types (functions/event_type_name.sql).';
COMMENT ON COLUMN endpoint.filter_tasks IS 'Of events about tasks, only those of these task types; null for all.';
COMMENT ON COLUMN endpoint.filter_tags IS 'Of events about tasks, only those of tasks with one of these tags; null for all.';
COMMENT ON COLUMN endpoint.sealed_headers IS
    'The tenant''s own headers, a JSON object sealed like a secret, bound to this row and column; null for none.';
COMMENT ON COLUMN endpoint.header_names IS 'The names in sealed_headers, which everybody who may see the endpoint sees.';
COMMENT ON COLUMN endpoint.rate_per_second IS 'The maximum number of attempts a second, over all processes; null for no maximum.';
COMMENT ON COLUMN endpoint.rate_until IS
    'The time up to which attempts are taken from rate_per_second: each attempt moves it on by 1 / rate_per_second seconds.';
COMMENT ON COLUMN endpoint.after_seq IS
    'Number of the tenant''s latest event when the endpoint was created. The endpoint gets events after it.';
COMMENT ON COLUMN endpoint.disabled_by IS
    'Who disabled it: the tenant, the operator, the receiver by the status 410 (gone), or 5 days without a success (failing).';
COMMENT ON COLUMN endpoint.failing_since IS 'Time of the first failed attempt after the latest success; null if there is none.';
COMMENT ON COLUMN endpoint.failing_told_at IS 'Time of the event endpoint.failing since then; null if there was none.';

CREATE TABLE endpoint_secret (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    id uuid NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, endpoint_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES endpoint ON DELETE CASCADE
);
COMMENT ON COLUMN endpoint_secret.sealed IS
    'AES-256-GCM under a key of the tenant (docs/security.md), with the key''s id in the clear.';
COMMENT ON COLUMN endpoint_secret.expires_at IS
    'The secret is invalid from this time on; null if it has no end. Two are valid during a rotation.';

CREATE TABLE endpoint_deleted (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    endpoint_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id)
);
COMMENT ON TABLE endpoint_deleted IS
    'Endpoints that were deleted while deliveries may still wait for them. The process that delivers ends these in batches, and '
    'then deletes the row.';

CREATE TABLE delivery (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_seq bigint,
    endpoint_id uuid,
    task_id uuid,
    event_type text NOT NULL,
    url text NOT NULL,
    body text,
    status text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED', 'SKIPPED')),
    skipped_reason text,
    attempt integer NOT NULL DEFAULT 0,
    schedule_from integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claim_token uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    url_key text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (body IS NOT NULL OR status = 'SKIPPED')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- These two without the tenant: an index that begins with it could be chosen to find one delivery, and read all of the tenant's,
-- and the key could be chosen instead of the second one.
CREATE INDEX delivery_task ON delivery (task_id);
CREATE INDEX delivery_endpoint ON delivery (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX delivery_due ON delivery (due_at) WHERE status = 'PENDING';
-- Tests of endpoints, which go before all others.
CREATE INDEX delivery_test ON delivery (due_at) WHERE status = 'PENDING' AND event_seq IS NULL;
CREATE INDEX delivery_url_key ON delivery (tenant_id, url_key, due_at) WHERE status = 'PENDING';
COMMENT ON TABLE delivery IS 'One event for one URL, with the exact bytes to send and the time of the next attempt.';
COMMENT ON COLUMN delivery.id IS
    'Computed from the event and the endpoint (functions/delivery_id.sql), so an event never gets two deliveries to one '
    'endpoint. For a webhook_url it is the id of the event.';
COMMENT ON COLUMN delivery.event_id IS
    'The id of the event (functions/event_id.sql). webhook-id is msg_ and this, the same for every endpoint.';
COMMENT ON COLUMN delivery.event_seq IS 'The number of the event (event.seq); null for a test, which is about no event.';
COMMENT ON COLUMN delivery.endpoint_id IS 'The endpoint, also after it was deleted; null for a task''s webhook_url.';
COMMENT ON COLUMN delivery.task_id IS 'Null if the event is about no task.';
COMMENT ON COLUMN delivery.url IS
    'The URL. A delivery to an endpoint is sent to the one that the endpoint has at the time of the attempt; this is the one '
    'that it had when the row was made.';
COMMENT ON COLUMN delivery.event_type IS 'The name of the event''s type (functions/event_type_name.sql).';
COMMENT ON COLUMN delivery.body IS
    'Exactly these bytes are signed and sent with every attempt. Without the result once the task is erased. Null for a '
    'delivery that was skipped when it was made: functions/event_body.sql makes it when it is sent after all.';
COMMENT ON COLUMN delivery.status IS
    'PENDING, DELIVERED, FAILED if every attempt has failed, or SKIPPED if the endpoint was disabled.';
COMMENT ON COLUMN delivery.skipped_reason IS 'Why it was skipped, as the tenant reads it. Null for any other status.';
COMMENT ON COLUMN delivery.attempt IS 'Attempts so far.';
COMMENT ON COLUMN delivery.schedule_from IS
    'Attempts that were made before it was sent again: the schedule of attempts begins after them. 0 if it never was.';
COMMENT ON COLUMN delivery.due_at IS 'Time of the next attempt; while an attempt runs, the end of its lease.';
COMMENT ON COLUMN delivery.claim_token IS
    'Token of the attempt that runs; null if none does. A write for the attempt must name it.';
COMMENT ON COLUMN delivery.finished_at IS 'Null while the status is PENDING.';
COMMENT ON COLUMN delivery.url_key IS
    'The URL without query and fragment, or "endpoint:" and the endpoint''s id. Due deliveries are taken from one key after '
    'the other, so that no receiver waits for a slow one.';

CREATE TABLE delivery_attempt (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    response_status integer,
    error text,
    response_body text,
    PRIMARY KEY (tenant_id, delivery_id, attempt),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES delivery ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON COLUMN delivery_attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN delivery_attempt.duration_ms IS 'Milliseconds from its start to the answer or the error.';
COMMENT ON COLUMN delivery_attempt.response_status IS 'HTTP status; null if no answer came.';
COMMENT ON COLUMN delivery_attempt.response_body IS 'The first 4 KiB of the answer, as text. Null if there was none, or the task is erased.';
