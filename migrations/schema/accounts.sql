-- Who may act for a tenant: API keys, members, revoked tokens, and the number that tells every process of a change.

CREATE TABLE auth_epoch (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    epoch bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO auth_epoch (epoch) VALUES (1);
COMMENT ON TABLE auth_epoch IS 
    'One row. Every process reads it each second, and forgets the callers that it remembers when it has moved.';
COMMENT ON COLUMN auth_epoch.epoch IS 'Moved by triggers with every change of a tenant, key, member or revocation.';

CREATE TABLE api_key (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    key_id text NOT NULL UNIQUE,
    digest bytea NOT NULL,
    pepper_id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    replaced_by text,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON COLUMN api_key.key_id IS 'The public part of the key.';
COMMENT ON COLUMN api_key.digest IS 'HMAC-SHA256 of the whole key under the pepper pepper_id.';
COMMENT ON COLUMN api_key.replaced_by IS
    'The key_id that took its place in a rotation; both are valid until expires_at of this one.';
CREATE TRIGGER api_key_epoch AFTER INSERT OR DELETE OR UPDATE OF digest, pepper_id, scopes, expires_at, revoked_at
    ON api_key FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

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
COMMENT ON TABLE member IS 'A person of a tenant, who logs in by e-mail and password.';
COMMENT ON COLUMN member.email IS 'In lower case, and unique over all tenants: a login names no tenant.';
COMMENT ON COLUMN member.password_hash IS 'Argon2id, with its parameters.';
COMMENT ON COLUMN member.token_version IS 'A token that names another version is invalid.';
CREATE TRIGGER member_epoch AFTER INSERT OR DELETE OR UPDATE OF role, token_version, disabled_at
    ON member FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

CREATE TABLE revoked_token (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    jti uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, jti)
);
CREATE INDEX revoked_token_expires ON revoked_token (expires_at);
COMMENT ON TABLE revoked_token IS 'A token that was revoked before its end.';
COMMENT ON COLUMN revoked_token.expires_at IS 'The row is deleted after it, when the token has ended anyway.';
-- Not at a delete: what is deleted has expired for everybody. By row: a second revocation of a token moves nothing.
CREATE TRIGGER revoked_token_epoch AFTER INSERT ON revoked_token
    FOR EACH ROW EXECUTE FUNCTION bump_auth_epoch();

CREATE TRIGGER tenant_epoch AFTER INSERT OR UPDATE OR DELETE ON tenant
    FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();
