-- Schedules: what is submitted at which times, and what became of each time.

CREATE TABLE schedule (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    cron text,
    every_seconds integer CHECK (every_seconds >= 10),
    timezone text NOT NULL,
    window_seconds integer NOT NULL DEFAULT 0 CHECK (window_seconds >= 0),
    starts_at timestamptz,
    ends_at timestamptz,
    overlap text NOT NULL CHECK (overlap IN ('allow', 'skip', 'queue_one', 'cancel_running')),
    catch_up text NOT NULL CHECK (catch_up IN ('none', 'latest', 'all')),
    catch_up_seconds integer NOT NULL CHECK (catch_up_seconds >= 0),
    max_fires integer CHECK (max_fires > 0),
    pause_after_failures integer CHECK (pause_after_failures > 0),
    task text NOT NULL,
    pool text NOT NULL,
    payload json NOT NULL,
    priority smallint NOT NULL,
    max_attempts smallint NOT NULL,
    time_limit_seconds double precision NOT NULL,
    timeout_seconds double precision,
    expires_seconds double precision,
    tags text[] NOT NULL DEFAULT '{}',
    metadata jsonb,
    webhook_url text,
    version bigint NOT NULL DEFAULT 1,
    next_fire_at timestamptz,
    queued_fire_at timestamptz,
    last_fire_at timestamptz,
    last_task_id uuid,
    fires bigint NOT NULL DEFAULT 0,
    paused_at timestamptz,
    paused_by text,
    pause_note text,
    failures_from timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK ((cron IS NULL) <> (every_seconds IS NULL)),
    CHECK (paused_at IS NULL OR (next_fire_at IS NULL AND queued_fire_at IS NULL))
) WITH (fillfactor = 50);
-- The name comes first: only the primary key begins with the tenant, so no search for an id can take this index instead.
CREATE UNIQUE INDEX schedule_name ON schedule (name, tenant_id);
-- What is due, for all tenants: the dispatcher probes it a few times a second.
CREATE INDEX schedule_due ON schedule (next_fire_at) WHERE next_fire_at IS NOT NULL;
-- The same tenant by tenant, if more is due than the dispatcher stores at once. A search for an id cannot take it, because of its condition.
CREATE INDEX schedule_due_of_tenant ON schedule (tenant_id, next_fire_at) WHERE next_fire_at IS NOT NULL;
CREATE INDEX schedule_queued ON schedule (id) WHERE queued_fire_at IS NOT NULL;
COMMENT ON TABLE schedule IS
    'What a tenant wants to be submitted at which times (docs/decisions/0029-schedules.md). The dispatcher fires it.';
COMMENT ON COLUMN schedule.cron IS 'Five fields or a name such as @daily; null for an interval.';
COMMENT ON COLUMN schedule.every_seconds IS 'Seconds between two fires; null for a cron expression.';
COMMENT ON COLUMN schedule.timezone IS 'Name of the time-zone database in which cron is read.';
COMMENT ON COLUMN schedule.window_seconds IS
    'Each fire is later than cron says by a fixed part of these seconds, which the id decides.';
COMMENT ON COLUMN schedule.catch_up_seconds IS 'Seconds after which a missed fire is not caught up.';
COMMENT ON COLUMN schedule.max_fires IS 'It ends after this many tasks; null for no end.';
COMMENT ON COLUMN schedule.pause_after_failures IS 'It is paused after this many failed tasks in a row; null for never.';
COMMENT ON COLUMN schedule.task IS
    'Name of the task type. It and the columns up to webhook_url are those of the tasks (task), as validated at the latest change.';
COMMENT ON COLUMN schedule.time_limit_seconds IS 'Seconds that an attempt may take.';
COMMENT ON COLUMN schedule.timeout_seconds IS 'The limit in seconds that the request asked for; null if it asked for none.';
COMMENT ON COLUMN schedule.expires_seconds IS 'Seconds after which a task that has not started ends; null for never.';
COMMENT ON COLUMN schedule.version IS
    'Number of the latest change, fires included. A step that fires names the version that it has read, so no fire counts twice.';
COMMENT ON COLUMN schedule.next_fire_at IS 'Next fire, with the part of the window; null while paused and after the end.';
COMMENT ON COLUMN schedule.queued_fire_at IS
    'A fire that waits for the end of last_task_id (overlap queue_one, cancel_running); null if none does.';
COMMENT ON COLUMN schedule.last_fire_at IS 'Latest fire that the clock has caused, whatever became of it. No later one is before it.';
COMMENT ON COLUMN schedule.last_task_id IS 'Its latest task, which overlap looks at; null before the first.';
COMMENT ON COLUMN schedule.fires IS 'Tasks that the clock has caused: max_fires counts them.';
COMMENT ON COLUMN schedule.paused_by IS 'Who paused it: a key''s id, a member''s e-mail, operator, or failures.';
COMMENT ON COLUMN schedule.failures_from IS 'Tasks of fires since this time count for pause_after_failures.';

CREATE TABLE schedule_fire (
    tenant_id uuid NOT NULL,
    schedule_id uuid NOT NULL,
    fire_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('fired', 'skipped_overlap', 'skipped_quota', 'missed')),
    reason text,
    count integer NOT NULL DEFAULT 1 CHECK (count > 0),
    until timestamptz,
    task_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, schedule_id, fire_at),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES schedule ON DELETE CASCADE,
    CHECK ((outcome = 'fired') = (task_id IS NOT NULL))
);
-- Old rows are deleted by it.
CREATE INDEX schedule_fire_created ON schedule_fire (created_at);
COMMENT ON TABLE schedule_fire IS
    'What became of a fire. The key makes each time of a schedule one task at most: the row is in the transaction of the task.';
COMMENT ON COLUMN schedule_fire.fire_at IS 'The time of the fire; of a row that counts several, the first one.';
COMMENT ON COLUMN schedule_fire.reason IS
    'late, suspended, failures or paused of a missed fire; the quota of skipped_quota; trigger or backfill of one that the clock did not cause.';
COMMENT ON COLUMN schedule_fire.count IS 'Fires that the row stands for: more than one only for missed.';
COMMENT ON COLUMN schedule_fire.until IS 'The last one of several fires; null for one.';
COMMENT ON COLUMN schedule_fire.task_id IS 'The task of a fire; null if there is none.';
