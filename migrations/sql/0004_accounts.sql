-- Members: people of a tenant, who log in by e-mail and password. The address is stored in lower case, and is unique
-- over all tenants: a login names no tenant.
CREATE TABLE member (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    role text NOT NULL CHECK (role IN ('owner', 'developer', 'viewer')),
    password_hash text NOT NULL,
    token_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- Tokens that were revoked before their end, kept until then.
CREATE TABLE revoked_token (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    jti uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, jti)
);
CREATE INDEX revoked_token_expires ON revoked_token (expires_at);

-- A token names the version of its tenant, and of its member: another one is dead.
ALTER TABLE tenant ADD COLUMN token_version integer NOT NULL DEFAULT 1;
-- The key that took this one's place; both hold until expires_at of this one.
ALTER TABLE api_key ADD COLUMN replaced_by text;
-- The address of the client, where the act came over HTTP.
ALTER TABLE audit_event ADD COLUMN address text;

CREATE TRIGGER member_epoch AFTER INSERT OR DELETE OR UPDATE OF role, token_version, disabled_at
    ON member FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();
-- Not at a delete: what is pruned has expired for everybody. By row: who revokes a token again moves nothing.
CREATE TRIGGER revoked_token_epoch AFTER INSERT ON revoked_token
    FOR EACH ROW EXECUTE FUNCTION bump_auth_epoch();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['member', 'revoked_token'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY auth ON %I FOR SELECT TO tq_auth USING (true)', name);
        EXECUTE format('CREATE POLICY admin ON %I TO tq_admin USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['tenant', 'api_key', 'member', 'revoked_token', 'audit_event'] LOOP
        EXECUTE format($policy$CREATE POLICY account ON %I TO tq_account
            USING ((%I = ANY((SELECT current_setting('app.tenant_ids', true)::uuid[])::uuid[])) IS TRUE)$policy$,
            name, CASE name WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END);
    END LOOP;
END $$;

-- tq_account: one tenant at a time, and of it only who may do what: no task, no usage, no webhook secret; not the digest
-- of any key, not the password of any member. What it may not change (tenant, slug, limits, events) it cannot.
GRANT USAGE ON SCHEMA public TO tq_account;
GRANT SELECT ON alembic_version TO tq_account;
GRANT SELECT (id, slug, name, plan, status, queue_paused, limits, created_at, token_version) ON tenant TO tq_account;
-- A lock on the tenant's row, which makes two changes count one after the other, takes the right to change some column.
GRANT UPDATE (token_version) ON tenant TO tq_account;
GRANT SELECT (tenant_id, id, key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by),
    UPDATE (expires_at, revoked_at, replaced_by), INSERT ON api_key TO tq_account;
GRANT SELECT (tenant_id, id, email, role, token_version, created_at, disabled_at),
    UPDATE (role, password_hash, token_version, disabled_at), INSERT, DELETE ON member TO tq_account;
GRANT SELECT (tenant_id, jti), INSERT ON revoked_token TO tq_account;
GRANT SELECT, INSERT ON audit_event TO tq_account;

-- tq_auth finds who is calling, and takes away what has expired: never a revocation that counts.
GRANT SELECT ON member, revoked_token TO tq_auth;
GRANT DELETE ON revoked_token TO tq_auth;
CREATE POLICY prune ON revoked_token FOR DELETE TO tq_auth USING (expires_at < now());

GRANT SELECT, INSERT, UPDATE, DELETE ON member TO tq_admin;
