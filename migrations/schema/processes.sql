-- The processes as they report themselves, the lease of the leading dispatcher, the slots of each pool, and the long types.

CREATE TABLE worker (
    id uuid PRIMARY KEY,
    hostname text NOT NULL,
    pool text NOT NULL,
    slots integer NOT NULL,
    task_types text[] NOT NULL,
    claim_tokens uuid[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    pid integer
) WITH (fillfactor = 50);
COMMENT ON TABLE worker IS 'One worker process, from its start to its end.';
COMMENT ON COLUMN worker.pool IS 'prefork, asyncio or http.';
COMMENT ON COLUMN worker.slots IS 'How many tasks it runs at once.';
COMMENT ON COLUMN worker.task_types IS 'Names of the task types that it can run.';
COMMENT ON COLUMN worker.claim_tokens IS 'Tokens of the attempts that it runs now.';
COMMENT ON COLUMN worker.heartbeat_at IS
    'Written every few seconds. If it is older than WORKER_DEAD_AFTER (app/tasks/run/timing.py), the worker counts as dead.';
COMMENT ON COLUMN worker.pid IS 'Process id of its main process on its host.';

CREATE TABLE process_heartbeat (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('dispatcher', 'webhooks', 'operator')),
    hostname text NOT NULL,
    pid integer NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE process_heartbeat IS 'One process of a kind other than api and worker, from its start to its end.';
COMMENT ON COLUMN process_heartbeat.details IS
    'round_age: seconds from its last round to the heartbeat; recent_rounds: seconds from each of the last ten rounds to the '
    'one before it, the newest last; secrets: fingerprint of its secrets file. A dispatcher also has leads: whether it leads.';
COMMENT ON COLUMN process_heartbeat.heartbeat_at IS 'The same as worker.heartbeat_at.';

CREATE TABLE dispatcher_lease (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    holder text NOT NULL DEFAULT '',
    token uuid NOT NULL DEFAULT gen_random_uuid(),
    expires_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO dispatcher_lease DEFAULT VALUES;
COMMENT ON TABLE dispatcher_lease IS
    'One row: which dispatcher leads, and until when. Single statements take and renew the lease; it needs no session.';
COMMENT ON COLUMN dispatcher_lease.holder IS 'Host and process, for people to read.';
COMMENT ON COLUMN dispatcher_lease.token IS
    'New for each leader. Every sweep names it in the statement that changes something (functions/dispatcher_leads.sql).';
COMMENT ON COLUMN dispatcher_lease.expires_at IS
    'By the clock of Postgres. After this time, another dispatcher may lead.';

CREATE TABLE pool_slots (
    pool text PRIMARY KEY,
    slots integer NOT NULL,
    unjudged_cap integer NOT NULL CHECK (unjudged_cap > 0),
    free_for_long integer NOT NULL CHECK (free_for_long >= 0),
    judged_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE pool_slots IS
    'The slots of a pool at the dispatcher''s last look. Without a fresh row '
    '(no dispatcher, no worker, a single slot) no tenant has a cap.';
COMMENT ON COLUMN pool_slots.slots IS 'Slots of all living workers of the pool.';
COMMENT ON COLUMN pool_slots.unjudged_cap IS 'The cap of a tenant whose tasks have not been measured yet.';
COMMENT ON COLUMN pool_slots.free_for_long IS
    'Slots that tenants with long tasks may still take before only the reserved one is left.';
COMMENT ON COLUMN pool_slots.judged_at IS
    'The row is fresh for WORKER_DEAD_AFTER, the time after which a worker is dead (app/tasks/run/timing.py).';

CREATE TABLE long_task_type (
    task text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE long_task_type IS
    'A task type of which more than half of the recent attempts ran for more than a second.';
