-- An endpoint is a tenant's URL without its query. Due deliveries are taken endpoint by endpoint, so that one which
-- answers slowly keeps nobody else waiting.
ALTER TABLE delivery ADD COLUMN endpoint text NOT NULL DEFAULT '';
ALTER TABLE delivery ALTER COLUMN endpoint DROP DEFAULT;
CREATE INDEX delivery_endpoint ON delivery (tenant_id, endpoint, due_at) WHERE status = 'PENDING';

-- tq_webhook: the deliveries of all tenants, and the secrets that sign them; nothing of their tasks.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['delivery', 'delivery_attempt', 'webhook_secret'] LOOP
        EXECUTE format('CREATE POLICY webhook ON %I TO tq_webhook USING (true)', name);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO tq_webhook;
GRANT SELECT ON alembic_version, delivery, webhook_secret TO tq_webhook;
GRANT UPDATE (status, attempt, due_at, claim_token, finished_at) ON delivery TO tq_webhook;
GRANT SELECT, INSERT ON delivery_attempt TO tq_webhook;

-- Who ends a task writes its deliveries in the same transaction.
GRANT INSERT ON delivery TO tq_api, tq_worker;
GRANT SELECT ON delivery, delivery_attempt TO tq_api;

-- tq_api ends a waiting task on its tenant's request, and asks a running one to end.
GRANT UPDATE (status, error, cancel_requested_at, finished_at) ON task TO tq_api;
GRANT DELETE ON backlog TO tq_api;
