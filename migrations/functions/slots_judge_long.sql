-- Purpose. Give a tenant that submits tasks of a long type a cap in the pool, before the first of them starts. Of the slots
--   that tenants with long tasks may still take, it gets one for each such task that its cap has no room for. If it had no cap,
--   it gets at least half of them, so that its other tasks do not wait while slots are free. The dispatcher shares the slots
--   again each second.
-- Parameters. p_tenant: the tenant. p_pool: the pool. p_tasks: how many of its long tasks may start now.
--   p_dead_after: seconds after which the numbers of the pool count no more.
-- Returns. Nothing.
-- Locks. tenant_slots of the tenant, then pool_slots.
-- Called by. task_accept, tasks_accept.
CREATE OR REPLACE FUNCTION slots_judge_long(p_tenant uuid, p_pool text, p_tasks integer, p_dead_after double precision)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    room integer;
    cap integer;
    used integer;
    granted integer := 0;
BEGIN
    -- Without a fresh row nobody judges this pool, so there are no caps.
    SELECT p.free_for_long INTO room FROM pool_slots p
    WHERE p.pool = p_pool AND p.judged_at > now() - make_interval(secs => p_dead_after);
    IF NOT FOUND THEN RETURN; END IF;
    IF p_pool = 'asyncio' THEN
        SELECT s.cap_asyncio, s.running_asyncio INTO cap, used FROM tenant_slots s
        WHERE s.tenant_id = p_tenant FOR NO KEY UPDATE;
    ELSIF p_pool = 'http' THEN
        SELECT s.cap_http, s.running_http INTO cap, used FROM tenant_slots s
        WHERE s.tenant_id = p_tenant FOR NO KEY UPDATE;
    ELSE
        -- A child runs the tasks that it has claimed together one after the other, so they use one slot.
        SELECT s.cap_prefork, least(s.running - s.running_asyncio - s.running_http, 1) INTO cap, used FROM tenant_slots s
        WHERE s.tenant_id = p_tenant FOR NO KEY UPDATE;
    END IF;
    -- Nothing to do: its cap has room for all of them, or it has a cap and no slot is left. cap is null without one.
    IF cap - used >= p_tasks OR (cap IS NOT NULL AND room = 0) THEN RETURN; END IF;
    IF room > 0 THEN
        -- Read again under the lock, because another accept may have taken slots since.
        SELECT least(p.free_for_long, greatest(p_tasks - greatest(cap - used, 0),
                                               CASE WHEN cap IS NULL THEN (p.free_for_long + 1) / 2 END))
        INTO granted FROM pool_slots p
        WHERE p.pool = p_pool FOR NO KEY UPDATE;
        UPDATE pool_slots p SET free_for_long = p.free_for_long - granted WHERE p.pool = p_pool;
    END IF;
    -- A tenant without a cap keeps at least the slots that it uses now.
    UPDATE tenant_slots s
    SET cap_prefork = CASE p_pool WHEN 'prefork' THEN coalesce(cap, used) + granted ELSE s.cap_prefork END,
        cap_asyncio = CASE p_pool WHEN 'asyncio' THEN coalesce(cap, used) + granted ELSE s.cap_asyncio END,
        cap_http = CASE p_pool WHEN 'http' THEN coalesce(cap, used) + granted ELSE s.cap_http END
    WHERE s.tenant_id = p_tenant;
END $$;
