-- Purpose. Let new tasks wait for others, in the transaction that has just accepted them: take them out of the backlog, and store
--   what they wait for. A task whose conditions all hold already goes back into the backlog. One of which a condition can no longer
--   hold ends at once.
-- Parameters. p_tenant: the tenant; it must be a tenant of the transaction (app.tenant_ids), because this function runs as the
--   owner, whom row-level security lets see all. p_downstream, p_upstream, p_need: an element for each dependency: the new task that
--   waits, the task that it waits for (an older or a new one), and how that one has to end (dependency.need). No pair comes twice.
-- Returns. Nothing. Raises TQ007, with the unknown ids as its detail, if the tenant has no such tasks to wait for.
-- Locks. tenant_slots in a statement of its own, then task, backlog and held.
-- Called by. app/tasks/held_store.py.
CREATE OR REPLACE FUNCTION tasks_hold(p_tenant uuid, p_downstream uuid[], p_upstream uuid[], p_need smallint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    unknown text;
    waiting uuid[];
BEGIN
    IF (p_tenant = ANY(current_setting('app.tenant_ids', true)::uuid[])) IS NOT TRUE THEN
        RAISE EXCEPTION 'tenant % is not one of the transaction', p_tenant;
    END IF;
    -- Slots come first, as in every claim and end. It is a statement of its own: only one that begins after the lock sees which
    -- tasks have ended. Without the lock, a task that ends meanwhile would leave this one waiting for ever.
    PERFORM FROM tenant_slots s WHERE s.tenant_id = p_tenant FOR UPDATE;
    -- LATERAL with LIMIT, here and below: each task is found by its key, whatever the statistics say.
    SELECT string_agg(u.id::text, ',') INTO unknown
    FROM unnest(p_upstream) AS u (id)
    LEFT JOIN LATERAL (SELECT t.id FROM task t WHERE t.tenant_id = p_tenant AND t.id = u.id LIMIT 1) AS k ON true
    WHERE k.id IS NULL;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'no such tasks to wait for' USING ERRCODE = 'TQ007', DETAIL = unknown;
    END IF;
    INSERT INTO dependency (tenant_id, upstream_id, downstream_id, need)
    SELECT p_tenant, u.upstream_id, u.downstream_id, u.need
    FROM unnest(p_upstream, p_downstream, p_need) AS u (upstream_id, downstream_id, need);
    -- A task that has ended never changes, so it gets no mark: nobody will look at it. A task may be on both sides.
    UPDATE task k SET gates = k.gates | g.gates
    FROM (
        SELECT u.id, bit_or(u.gate)::smallint AS gates FROM (
            SELECT unnest(p_upstream), 1 UNION ALL SELECT unnest(p_downstream), 2
        ) AS u (id, gate) GROUP BY u.id
    ) AS g
    WHERE (k.tenant_id, k.id) >= (p_tenant, g.id) AND (k.tenant_id, k.id) <= (p_tenant, g.id) AND k.id = g.id
      AND k.finished_at IS NULL;
    SELECT array_agg(DISTINCT u.id) INTO waiting FROM unnest(p_downstream) AS u (id);
    WITH taken AS (
        DELETE FROM backlog b USING unnest(waiting) AS u (task_id)
        WHERE (b.tenant_id, b.task_id) >= (p_tenant, u.task_id) AND (b.tenant_id, b.task_id) <= (p_tenant, u.task_id)
          AND b.task_id = u.task_id
        RETURNING b.*
    )
    INSERT INTO held (tenant_id, task_id, remaining, pool, priority, due_at, expires_at, is_long)
    SELECT t.tenant_id, t.task_id, 0, t.pool, t.priority, t.due_at, t.expires_at, t.is_long FROM taken t;
    UPDATE tenant_slots s SET features = s.features | 4 WHERE s.tenant_id = p_tenant AND s.features & 4 = 0;
    PERFORM held_settle(p_tenant, waiting);
    IF EXISTS (SELECT FROM held h WHERE h.tenant_id = p_tenant AND h.doomed_by IS NOT NULL) THEN
        PERFORM held_release(p_tenant, '{}');
    END IF;
END $$;
