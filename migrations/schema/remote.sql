-- The task types that tenants declare for workers of their own, the leases of these workers, and what is known of them.

CREATE TABLE task_type (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    name text NOT NULL,
    summary text NOT NULL DEFAULT '',
    payload_schema json,
    result_schema json,
    max_attempts smallint NOT NULL CHECK (max_attempts BETWEEN 1 AND 25),
    time_limit double precision NOT NULL CHECK (time_limit > 0),
    lease_seconds integer NOT NULL CHECK (lease_seconds BETWEEN 15 AND 3600),
    retry_backoff double precision NOT NULL CHECK (retry_backoff >= 0),
    retry_backoff_max double precision NOT NULL CHECK (retry_backoff_max >= 0),
    retry_jitter boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE task_type IS
    'A task type that a tenant has declared. Its tasks have the pool remote:<name>. They stay when the type is deleted.';
COMMENT ON COLUMN task_type.payload_schema IS
    'JSON Schema of the payload, as the text that was sent; null accepts every payload (app/tasks/definition/json_schemas.py).';
COMMENT ON COLUMN task_type.result_schema IS 'The same for the result.';
COMMENT ON COLUMN task_type.time_limit IS 'Hard limit of one attempt, in seconds.';
COMMENT ON COLUMN task_type.lease_seconds IS 'Seconds until a confirmed lease expires, unless the worker asks for others.';
COMMENT ON COLUMN task_type.retry_backoff IS 'Seconds before the second attempt. It doubles with each further attempt.';
COMMENT ON COLUMN task_type.retry_backoff_max IS 'The longest of these delays, in seconds.';

-- No foreign key: a row is written only in the transaction that claims its task, and the task has one.
CREATE TABLE lease (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    claim_token uuid NOT NULL,
    task text NOT NULL,
    worker text NOT NULL,
    lease_seconds integer NOT NULL,
    expires_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    lost_at timestamptz,
    PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX lease_expiring ON lease (expires_at);
COMMENT ON TABLE lease IS
    'A running attempt of a tenant''s own worker. The row may outlive its attempt for a moment: the claim token says whether it counts.';
COMMENT ON COLUMN lease.claim_token IS 'The same as attempt.claim_token.';
COMMENT ON COLUMN lease.task IS 'Name of the task type.';
COMMENT ON COLUMN lease.worker IS 'The name that the worker gave itself.';
COMMENT ON COLUMN lease.lease_seconds IS 'A heartbeat moves expires_at to so many seconds from now.';
COMMENT ON COLUMN lease.expires_at IS
    'At first DELIVERY_SECONDS from the claim (app/tasks/run/timing.py). After this time the dispatcher takes the attempt away.';
COMMENT ON COLUMN lease.confirmed_at IS 'When a call named the lease for the first time; null before.';
COMMENT ON COLUMN lease.lost_at IS
    'When the dispatcher found it expired. A heartbeat does not renew such a lease; the dispatcher ends its attempt and deletes the row.';

CREATE TABLE remote_worker (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    worker text NOT NULL,
    version text,
    task_types text[] NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, worker)
) WITH (fillfactor = 50);
COMMENT ON TABLE remote_worker IS 'A worker of a tenant, by the name that it gives itself. Its calls are all that is known of it.';
COMMENT ON COLUMN remote_worker.version IS 'A text of the worker''s own; null without one.';
COMMENT ON COLUMN remote_worker.task_types IS 'The types that its latest lease call asked for.';
COMMENT ON COLUMN remote_worker.seen_at IS
    'Its latest call, up to SEEN_EVERY late (app/tasks/run/timing.py).';
