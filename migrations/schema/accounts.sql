-- The credentials of tenants: API keys, members and revoked tokens; and the number by which every process notices a change.

CREATE TABLE auth_epoch (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    epoch bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO auth_epoch (epoch) VALUES (1);
COMMENT ON TABLE auth_epoch IS
    'One row. Every process reads it each second. If it has changed, the process forgets the callers that it remembers.';
COMMENT ON COLUMN auth_epoch.epoch IS 'Triggers increase it with every change of a tenant, key, member or revocation.';

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
COMMENT ON COLUMN api_key.id IS 'UUIDv7: it contains its time.';
COMMENT ON COLUMN api_key.key_id IS 'The public part of the key.';
COMMENT ON COLUMN api_key.digest IS 'HMAC-SHA256 of the whole key under the pepper pepper_id.';
COMMENT ON COLUMN api_key.pepper_id IS 'Names a pepper of the secrets file.';
COMMENT ON COLUMN api_key.scopes IS 'Names of scopes (app/identity/scopes.py).';
COMMENT ON COLUMN api_key.expires_at IS 'The key is invalid from this time on; null if it does not expire.';
COMMENT ON COLUMN api_key.revoked_at IS 'Null if it was not revoked.';
COMMENT ON COLUMN api_key.last_used_at IS 'Written at most once a minute; null if it was never used.';
COMMENT ON COLUMN api_key.replaced_by IS
    'The key_id of its successor after a rotation; both are valid until expires_at of this key.';
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
COMMENT ON TABLE member IS 'A person of a tenant, who logs in with an e-mail address and a password.';
COMMENT ON COLUMN member.email IS 'In lower case, and unique over all tenants, because a login does not name a tenant.';
COMMENT ON COLUMN member.role IS 'Decides the scopes of the member (app/identity/scopes.py).';
COMMENT ON COLUMN member.password_hash IS 'Argon2id, with its parameters.';
COMMENT ON COLUMN member.token_version IS 'A token with another version is invalid.';
COMMENT ON COLUMN member.disabled_at IS 'A disabled member cannot log in; null if the member is not disabled.';
CREATE TRIGGER member_epoch AFTER INSERT OR DELETE OR UPDATE OF role, token_version, disabled_at
    ON member FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

CREATE TABLE revoked_token (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    jti uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, jti)
);
CREATE INDEX revoked_token_expires ON revoked_token (expires_at);
COMMENT ON TABLE revoked_token IS 'A token that was revoked before it expired.';
COMMENT ON COLUMN revoked_token.jti IS 'The claim jti of the token.';
COMMENT ON COLUMN revoked_token.expires_at IS
    'When the token expires. The row is deleted later, because the token is then invalid anyway.';
-- Not for a DELETE: a deleted row is of a token that has expired. FOR EACH ROW: a second revocation of a token inserts no
-- row and changes nothing.
CREATE TRIGGER revoked_token_epoch AFTER INSERT ON revoked_token
    FOR EACH ROW EXECUTE FUNCTION bump_auth_epoch();

-- Not for a pause of the queue: a tenant may change it often, and no process remembers it.
CREATE TRIGGER tenant_epoch AFTER INSERT OR DELETE OR UPDATE OF slug, name, plan, status, limits, token_version
    ON tenant FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();
