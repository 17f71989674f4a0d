-- How many slots a tenant may have in each pool. The dispatcher counts slots and writes caps; a claim reads them in rows
-- that it reads anyway, and counts nothing.

-- A pool's slots, as the dispatcher has last seen them. Without a fresh row (no dispatcher, no worker, a single slot)
-- nobody has a cap. `unjudged_cap`: for a tenant of which it is not known yet how long its tasks run. `free_for_long`:
-- slots that tenants with long tasks may still take before only the reserved one is left.
CREATE TABLE pool_slots (
    pool text PRIMARY KEY,
    slots integer NOT NULL,
    unjudged_cap integer NOT NULL CHECK (unjudged_cap > 0),
    free_for_long integer NOT NULL CHECK (free_for_long >= 0),
    judged_at timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT ON pool_slots TO tq_api, tq_worker;
GRANT SELECT, UPDATE (free_for_long) ON pool_slots TO tq_submit;
GRANT SELECT, INSERT, UPDATE, DELETE ON pool_slots TO tq_dispatch;

-- Task types of which more than half of the recent attempts ran for more than a second.
CREATE TABLE long_task_type (task text PRIMARY KEY, since timestamptz NOT NULL DEFAULT now());
GRANT SELECT ON long_task_type TO tq_submit;
GRANT SELECT, INSERT, DELETE ON long_task_type TO tq_dispatch;

-- `running` counts both pools, `running_asyncio` is the part of it in that pool. A cap is NULL for a tenant that is not
-- known to have long tasks. `short_until_…`: until then it counts as one with short tasks, since one of them has just
-- ended within a second. `held_back`: bits of the pools (1 prefork, 2 asyncio) in which a cap has kept due work back.
ALTER TABLE tenant_slots
    ADD COLUMN running_asyncio integer NOT NULL DEFAULT 0 CHECK (running_asyncio >= 0),
    ADD COLUMN cap_prefork integer, ADD COLUMN cap_asyncio integer,
    ADD COLUMN short_until_prefork timestamptz, ADD COLUMN short_until_asyncio timestamptz,
    ADD COLUMN held_back smallint NOT NULL DEFAULT 0;
CREATE INDEX tenant_slots_capped ON tenant_slots (tenant_id) WHERE cap_prefork IS NOT NULL OR cap_asyncio IS NOT NULL;
UPDATE tenant_slots s SET running_asyncio = r.n FROM (
    SELECT a.tenant_id, count(*)::integer AS n FROM attempt a JOIN task k ON k.tenant_id = a.tenant_id AND k.id = a.task_id
    WHERE a.finished_at IS NULL AND k.pool = 'asyncio' GROUP BY 1
) AS r WHERE r.tenant_id = s.tenant_id;
-- A submit of a long type judges the tenant before anything of it starts.
GRANT SELECT (running, running_asyncio, cap_prefork, cap_asyncio), UPDATE (cap_prefork, cap_asyncio)
    ON tenant_slots TO tq_submit;
GRANT UPDATE (cap_prefork, cap_asyncio) ON tenant_slots TO tq_dispatch;
GRANT SELECT (task) ON task TO tq_dispatch;

-- Whether its type was known to be long when the task was submitted; what comes back from an attempt is judged by that.
ALTER TABLE backlog ADD COLUMN is_long boolean NOT NULL DEFAULT false;
CREATE INDEX backlog_long ON backlog (tenant_id, pool, due_at) WHERE is_long;

-- Return how many slots of a pool a tenant may have: the one place that decides it. `p_unjudged` is the pool's
-- unjudged_cap, NULL where its row is not fresh.
CREATE FUNCTION slots_cap(p_cap integer, p_short_until timestamptz, p_unjudged integer) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_unjudged IS NULL THEN 2147483647 WHEN p_cap IS NOT NULL THEN p_cap
                WHEN p_short_until > now() THEN 2147483647 ELSE p_unjudged END
$$;
REVOKE ALL ON FUNCTION slots_cap FROM public;
GRANT EXECUTE ON FUNCTION slots_cap TO tq_api, tq_worker, tq_dispatch;
