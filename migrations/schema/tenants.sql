-- Tenants, how many tasks of each run, and how many it has ever put into its backlog.

CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text NOT NULL,
    plan text NOT NULL CHECK (plan IN ('free', 'pro', 'enterprise')),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    queue_paused boolean NOT NULL DEFAULT false,
    limits jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    token_version integer NOT NULL DEFAULT 1,
    queue_paused_by_tenant boolean NOT NULL DEFAULT false,
    return_origins text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX tenant_paused ON tenant (id) WHERE queue_paused OR queue_paused_by_tenant;
COMMENT ON TABLE tenant IS 'A customer.';
COMMENT ON COLUMN tenant.slug IS
    'Unique name for people and commands: lower case letters, digits and hyphens, at most 63.';
COMMENT ON COLUMN tenant.plan IS 'Decides the limits (app/tenants/plans.py).';
COMMENT ON COLUMN tenant.status IS
    'active; suspended: every call gets 403, and nothing starts; deleted: its rows are being erased.';
COMMENT ON COLUMN tenant.queue_paused IS
    'True while the operator lets no task start. Calls are still answered. The tenant cannot change it.';
COMMENT ON COLUMN tenant.limits IS 'Overrides of single limits of the plan, by name (app/tenants/plans.py).';
COMMENT ON COLUMN tenant.token_version IS 'A token with another version is invalid.';
COMMENT ON COLUMN tenant.queue_paused_by_tenant IS
    'True while the tenant itself lets no task start. Tasks start while neither this nor queue_paused is true.';
COMMENT ON COLUMN tenant.return_origins IS
    'Origins of the tenant''s own web pages, to which a portal link may lead back.';

-- Every claim and every end of a tenant locks its row, so they happen one after the other.
CREATE TABLE tenant_slots (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    running integer NOT NULL DEFAULT 0 CHECK (running >= 0),
    running_limit integer NOT NULL CHECK (running_limit >= 0),
    returned bigint NOT NULL DEFAULT 0,
    departed bigint NOT NULL DEFAULT 0,
    running_asyncio integer NOT NULL DEFAULT 0 CHECK (running_asyncio >= 0),
    running_http integer NOT NULL DEFAULT 0 CHECK (running_http >= 0),
    cap_prefork integer,
    cap_asyncio integer,
    cap_http integer,
    short_until_prefork timestamptz,
    short_until_asyncio timestamptz,
    short_until_http timestamptz,
    held_back smallint NOT NULL DEFAULT 0,
    features smallint NOT NULL DEFAULT 1,
    event_seq bigint NOT NULL DEFAULT 0,
    webhook_seq bigint NOT NULL DEFAULT 0,
    full_since timestamptz NOT NULL DEFAULT 'epoch',
    full_until timestamptz DEFAULT 'epoch',
    leased integer NOT NULL DEFAULT 0 CHECK (leased >= 0),
    lease_limit integer NOT NULL DEFAULT 0 CHECK (lease_limit >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX tenant_slots_capped ON tenant_slots (tenant_id)
    WHERE cap_prefork IS NOT NULL OR cap_asyncio IS NOT NULL OR cap_http IS NOT NULL;
COMMENT ON TABLE tenant_slots IS
    'How many tasks of a tenant run. The number that wait is computed: tenant_admitted.admitted + returned - departed.';
COMMENT ON COLUMN tenant_slots.running IS 'Tasks that run now, in all pools but those of the tenant''s own workers.';
COMMENT ON COLUMN tenant_slots.running_limit IS 'How many tasks may run at once: the plan''s limit or its override.';
COMMENT ON COLUMN tenant_slots.returned IS
    'Tasks that ever came back into the backlog from an attempt. waiting = admitted + returned - departed.';
COMMENT ON COLUMN tenant_slots.departed IS
    'Tasks that ever left the backlog: claimed, cancelled or expired. waiting = admitted + returned - departed.';
COMMENT ON COLUMN tenant_slots.running_asyncio IS 'The part of running that is in the asyncio pool.';
COMMENT ON COLUMN tenant_slots.running_http IS 'The part of running that is in the http pool. The rest is in prefork.';
COMMENT ON COLUMN tenant_slots.cap_prefork IS
    'Slots of the prefork pool that a tenant with long tasks may have; null if it is not known to have any.';
COMMENT ON COLUMN tenant_slots.cap_asyncio IS 'The same for the asyncio pool.';
COMMENT ON COLUMN tenant_slots.cap_http IS 'The same for the http pool.';
COMMENT ON COLUMN tenant_slots.short_until_prefork IS
    'Until then the tenant counts as one with short tasks and needs no cap, because one has just ended within a second.';
COMMENT ON COLUMN tenant_slots.short_until_asyncio IS 'The same for the asyncio pool.';
COMMENT ON COLUMN tenant_slots.short_until_http IS 'The same for the http pool.';
COMMENT ON COLUMN tenant_slots.held_back IS
    'Bits of the pools (1 prefork, 2 asyncio, 4 http) in which a cap has kept due tasks back.';
COMMENT ON COLUMN tenant_slots.features IS
    'Features that the tenant uses, in bits. 1: it can read its events (event_hours > 0). 2: it has endpoints. With either of these, '
    'all its events are logged; without, only those with a webhook_url are. 4: some of its tasks wait for others (held).';
COMMENT ON COLUMN tenant_slots.event_seq IS
    'Number of the tenant''s latest event. It is taken under the lock of this row, so numbers have no gaps.';
COMMENT ON COLUMN tenant_slots.webhook_seq IS
    'Number of the latest event that may have a webhook. While webhook_cursor.seq is smaller, deliveries have to be made.';
COMMENT ON COLUMN tenant_slots.full_since IS
    'Start of the latest period in which running stood at running_limit. A slot that was free for up to LIMIT_GAP '
    '(app/tasks/run/timing.py) does not end the period. It moves the start, so that the length stays exact.';
COMMENT ON COLUMN tenant_slots.full_until IS 'End of that period; null while running stands at running_limit.';
COMMENT ON COLUMN tenant_slots.leased IS 'Tasks that the tenant''s own workers run now. They are not in running.';
COMMENT ON COLUMN tenant_slots.lease_limit IS 'How many of them may run at once: the limit leases of the plan, or its override.';

CREATE TABLE tenant_admitted (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    admitted bigint NOT NULL DEFAULT 0,
    day date NOT NULL DEFAULT '-infinity',
    day_used bigint NOT NULL DEFAULT 0 CHECK (day_used >= 0),
    month date NOT NULL DEFAULT '-infinity',
    month_used bigint NOT NULL DEFAULT 0 CHECK (month_used >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE tenant_admitted IS
    'What a tenant''s submits count, in the one row that they lock. It is not in tenant_slots, so submits do not wait for '
    'claims and ends.';
COMMENT ON COLUMN tenant_admitted.admitted IS
    'Tasks that submits ever let into the backlog. waiting = admitted + returned - departed (of tenant_slots).';
COMMENT ON COLUMN tenant_admitted.day IS 'The day, in UTC, of the latest task.';
COMMENT ON COLUMN tenant_admitted.day_used IS 'Tasks accepted on that day, counted in the transaction that inserts them.';
COMMENT ON COLUMN tenant_admitted.month IS 'First day of the month, in UTC, of the latest task.';
COMMENT ON COLUMN tenant_admitted.month_used IS 'Tasks accepted in that month.';
