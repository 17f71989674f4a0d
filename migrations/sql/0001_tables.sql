CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text NOT NULL,
    plan text NOT NULL CHECK (plan IN ('free', 'pro', 'enterprise')),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    queue_paused boolean NOT NULL DEFAULT false,
    limits jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenant_slots (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    running integer NOT NULL DEFAULT 0 CHECK (running >= 0),
    running_limit integer NOT NULL CHECK (running_limit >= 0)
) WITH (fillfactor = 50);

CREATE TABLE api_key (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    key_id text NOT NULL UNIQUE,
    digest bytea NOT NULL,
    pepper_id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE task (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    task text NOT NULL,
    pool text NOT NULL CHECK (pool IN ('prefork', 'asyncio')),
    status text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    payload jsonb NOT NULL,
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
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);

CREATE TABLE attempt (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    status text NOT NULL DEFAULT 'STARTED'
        CHECK (status IN ('STARTED', 'SUCCESS', 'FAILURE', 'REVOKED', 'LOST', 'RETURNED')),
    claim_token uuid NOT NULL,
    worker_id uuid NOT NULL,
    progress jsonb,
    error jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, task_id, attempt)
) PARTITION BY RANGE (task_id);

CREATE TABLE result (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    task_id uuid NOT NULL,
    result jsonb NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) PARTITION BY RANGE (task_id);

-- The right to run a waiting task: who deletes its row has it. Small, so that a claim costs the same over any number
-- of partitions (docs/decisions/0003-backlog-table.md).
CREATE TABLE backlog (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    task_id uuid NOT NULL,
    pool text NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    is_scheduled boolean NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX backlog_due ON backlog (tenant_id, pool, priority, due_at);
CREATE INDEX backlog_scheduled ON backlog (due_at) WHERE is_scheduled;
CREATE INDEX backlog_expiring ON backlog (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);

CREATE TABLE usage (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    period text NOT NULL CHECK (period IN ('day', 'month')),
    starts_on date NOT NULL,
    used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    PRIMARY KEY (tenant_id, period, starts_on)
) WITH (fillfactor = 50);

CREATE TABLE webhook_secret (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

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
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX delivery_due ON delivery (due_at) WHERE status = 'PENDING';

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
);

CREATE TABLE worker (
    id uuid PRIMARY KEY,
    hostname text NOT NULL,
    pool text NOT NULL,
    slots integer NOT NULL,
    task_types text[] NOT NULL,
    claim_tokens uuid[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE audit_event (
    id uuid PRIMARY KEY,
    tenant_id uuid,
    actor_type text NOT NULL CHECK (actor_type IN ('operator', 'api_key', 'member')),
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_event_tenant ON audit_event (tenant_id, id);

CREATE TABLE auth_epoch (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    epoch bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO auth_epoch (epoch) VALUES (1);
