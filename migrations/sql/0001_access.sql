-- Who may touch what. Nobody but the owner's policies sees rows without a scope: app.tenant_ids, set in each
-- transaction. The policy is a filter, never an index condition: without IS TRUE a cached plan reads all of a tenant's
-- rows to find one (docs/decisions/0004-row-level-security.md).
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenant', 'tenant_slots', 'api_key', 'task', 'attempt', 'result', 'backlog',
        'idempotency_key', 'usage', 'webhook_secret', 'delivery', 'delivery_attempt', 'audit_event'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format($policy$CREATE POLICY tenant ON %I TO tq_api, tq_submit, tq_worker
            USING ((%I = ANY((SELECT current_setting('app.tenant_ids', true)::uuid[])::uuid[])) IS TRUE)$policy$,
            name, CASE name WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['tenant', 'tenant_slots', 'backlog', 'task', 'attempt', 'usage', 'idempotency_key'] LOOP
        EXECUTE format('CREATE POLICY dispatch ON %I TO tq_dispatch USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['tenant', 'api_key'] LOOP
        EXECUTE format('CREATE POLICY auth ON %I TO tq_auth USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['tenant', 'tenant_slots', 'api_key', 'webhook_secret', 'usage', 'audit_event',
        'backlog', 'task'] LOOP
        EXECUTE format('CREATE POLICY admin ON %I TO tq_admin USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM public;
GRANT USAGE ON SCHEMA public TO tq_api, tq_submit, tq_worker, tq_dispatch, tq_auth, tq_admin;
-- Each process may ask whether the schema is the one that it was written for.
GRANT SELECT ON alembic_version TO tq_api, tq_submit, tq_worker, tq_dispatch, tq_auth, tq_admin;

-- tq_api: one tenant at a time; it reads.
GRANT SELECT ON tenant, tenant_slots, task, attempt, result, backlog, usage, idempotency_key, worker TO tq_api;

-- tq_submit: inserts a batch of many tenants' tasks; it reads no task.
GRANT INSERT ON task, backlog TO tq_submit;
GRANT SELECT, INSERT, UPDATE ON usage TO tq_submit;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO tq_submit;
GRANT EXECUTE ON FUNCTION usage_reserve TO tq_submit;

-- tq_worker: the tenant whose task it runs.
GRANT SELECT ON tenant TO tq_worker;
GRANT SELECT, UPDATE ON tenant_slots, task TO tq_worker;
GRANT SELECT, INSERT, UPDATE ON attempt TO tq_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON backlog TO tq_worker;
GRANT SELECT, INSERT ON result TO tq_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON worker TO tq_worker;
GRANT EXECUTE ON FUNCTION task_claim, task_finish TO tq_worker;

-- tq_dispatch: ids, states and times of all tenants, no payload and no result.
GRANT SELECT (id, status, queue_paused, plan, limits) ON tenant TO tq_dispatch;
GRANT SELECT ON tenant_slots, backlog, worker TO tq_dispatch;
GRANT SELECT (tenant_id, id, status, attempt, claim_token, due_at, expires_at, finished_at) ON task TO tq_dispatch;
GRANT SELECT (tenant_id, task_id, attempt, status, claim_token, worker_id, started_at, deadline_at)
    ON attempt TO tq_dispatch;
GRANT SELECT (tenant_id, key, created_at), DELETE ON idempotency_key TO tq_dispatch;
GRANT DELETE ON worker TO tq_dispatch;
GRANT EXECUTE ON FUNCTION make_partitions TO tq_dispatch;

-- tq_auth: who is calling.
GRANT SELECT ON tenant, api_key, auth_epoch TO tq_auth;
GRANT UPDATE (last_used_at) ON api_key TO tq_auth;

-- tq_admin: the operator's commands.
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant, tenant_slots, api_key, webhook_secret TO tq_admin;
GRANT SELECT ON usage, backlog, worker TO tq_admin;
GRANT SELECT (tenant_id, id, status, created_at) ON task TO tq_admin;
GRANT SELECT, INSERT ON audit_event TO tq_admin;
