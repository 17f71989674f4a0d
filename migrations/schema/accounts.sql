-- The credentials of tenants: API keys, persons and their memberships, sessions of the console, revoked tokens; and the
-- number by which every process notices a change.

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
    expiring_told_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
-- The dispatcher looks here for keys that expire soon.
CREATE INDEX api_key_expiring ON api_key (expires_at)
    WHERE expires_at IS NOT NULL AND expiring_told_at IS NULL AND revoked_at IS NULL AND replaced_by IS NULL;
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
COMMENT ON COLUMN api_key.expiring_told_at IS 'Time of the event key.expiring; null if there was none.';
CREATE TRIGGER api_key_epoch AFTER INSERT OR DELETE OR UPDATE OF digest, pepper_id, scopes, expires_at, revoked_at
    ON api_key FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

-- A person may be a member of several tenants, and belongs to none of them. So the table has no tenant_id: only tq_auth
-- and tq_admin read it, and every change goes through a function.
CREATE TABLE person (
    email text PRIMARY KEY CHECK (email = lower(email)),
    password_hash text NOT NULL,
    password_is_initial boolean NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE person IS 'Who logs in, with one e-mail address and one password for all tenants.';
COMMENT ON COLUMN person.email IS 'In lower case.';
COMMENT ON COLUMN person.password_hash IS 'Argon2id, with its parameters.';
COMMENT ON COLUMN person.password_is_initial IS
    'True until the person has set a password. Who added the person may know the first one, so no invitation of another '
    'tenant can be accepted with it.';
COMMENT ON COLUMN person.version IS
    'A token or session with another sum of person.version and member.token_version is invalid. Both only increase.';
CREATE TRIGGER person_epoch AFTER UPDATE OF version ON person
    FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();

CREATE TABLE member (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    email text NOT NULL REFERENCES person,
    role text NOT NULL CHECK (role IN ('owner', 'developer', 'viewer')),
    token_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    accepted_at timestamptz,
    invitation bytea,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (email, tenant_id)
);
COMMENT ON TABLE member IS 'The membership of a person in a tenant.';
COMMENT ON COLUMN member.role IS 'Decides the scopes of the member (app/identity/scopes.py).';
COMMENT ON COLUMN member.token_version IS 'A token with another version is invalid (see person.version).';
COMMENT ON COLUMN member.disabled_at IS 'A disabled member cannot log in; null if the member is not disabled.';
COMMENT ON COLUMN member.accepted_at IS
    'A person who was known already accepts the membership first; null until then. A new person has it at once.';
COMMENT ON COLUMN member.invitation IS 'SHA-256 of the code with which the person accepts; null if none is needed.';
CREATE TRIGGER member_epoch AFTER INSERT OR DELETE OR UPDATE OF role, token_version, disabled_at, accepted_at
    ON member FOR EACH STATEMENT EXECUTE FUNCTION bump_auth_epoch();
CREATE TRIGGER member_left AFTER DELETE ON member REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_persons();

CREATE TABLE console_session (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    digest bytea NOT NULL UNIQUE,
    member_id uuid,
    key_id text REFERENCES api_key (key_id) ON DELETE CASCADE,
    operator text,
    role text CHECK (role IN ('owner', 'developer', 'viewer')),
    label text,
    tenant_version integer NOT NULL,
    member_version integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    return_url text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES member ON DELETE CASCADE,
    CHECK (num_nonnulls(member_id, key_id, operator) = 1),
    CHECK ((member_id IS NULL) = (role IS NOT NULL) AND (member_id IS NULL) = (member_version IS NULL))
);
CREATE INDEX console_session_expires ON console_session (expires_at);
CREATE INDEX console_session_member ON console_session (tenant_id, member_id);
CREATE INDEX console_session_key ON console_session (key_id);
COMMENT ON TABLE console_session IS 'A browser that is signed in to the console: by a member, or by a portal link.';
COMMENT ON COLUMN console_session.digest IS 'SHA-256 of the cookie, which has 256 random bits.';
COMMENT ON COLUMN console_session.member_id IS 'Null for a portal link.';
COMMENT ON COLUMN console_session.key_id IS 'The key that made the portal link. The session is invalid when the key is.';
COMMENT ON COLUMN console_session.operator IS 'The system user who made the portal link on the command line.';
COMMENT ON COLUMN console_session.role IS 'The role that a portal link gives. A member has its own.';
COMMENT ON COLUMN console_session.label IS 'Whom a portal link names, for people to read.';
COMMENT ON COLUMN console_session.tenant_version IS 'tenant.token_version at the sign-in. With another one it is invalid.';
COMMENT ON COLUMN console_session.member_version IS
    'person.version + member.token_version at the sign-in. With another sum the session is invalid.';
COMMENT ON COLUMN console_session.expires_at IS 'The row is deleted some time after.';
COMMENT ON COLUMN console_session.return_url IS 'portal_link.return_url of its link.';
-- Not for a row that has expired: nobody remembers it.
CREATE TRIGGER console_session_epoch AFTER DELETE ON console_session
    FOR EACH ROW WHEN (OLD.expires_at > now()) EXECUTE FUNCTION bump_auth_epoch();

CREATE TABLE portal_link (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    id uuid NOT NULL,
    digest bytea NOT NULL UNIQUE,
    key_id text REFERENCES api_key (key_id) ON DELETE CASCADE,
    operator text,
    role text NOT NULL CHECK (role IN ('owner', 'developer', 'viewer')),
    label text,
    theme text CHECK (theme IN ('light', 'dark')),
    session_seconds integer NOT NULL CHECK (session_seconds > 0),
    expires_at timestamptz NOT NULL,
    return_url text,
    PRIMARY KEY (tenant_id, id),
    CHECK (num_nonnulls(key_id, operator) = 1)
);
CREATE INDEX portal_link_expires ON portal_link (expires_at);
CREATE INDEX portal_link_key ON portal_link (key_id);
COMMENT ON TABLE portal_link IS 'A link that signs a browser in once. Using it deletes the row.';
COMMENT ON COLUMN portal_link.digest IS 'SHA-256 of the secret part of the link, which has 256 random bits.';
COMMENT ON COLUMN portal_link.key_id IS 'The key that made the link.';
COMMENT ON COLUMN portal_link.operator IS 'The system user who made it on the command line.';
COMMENT ON COLUMN portal_link.role IS 'The role that its session has.';
COMMENT ON COLUMN portal_link.label IS 'Whom it names, for people to read.';
COMMENT ON COLUMN portal_link.theme IS 'The colours of the console; null for those of the browser.';
COMMENT ON COLUMN portal_link.session_seconds IS 'Seconds that its session lasts.';
COMMENT ON COLUMN portal_link.expires_at IS 'The link is invalid from this time on.';
COMMENT ON COLUMN portal_link.return_url IS
    'Where the pages lead back to: a URL of an origin in tenant.return_origins when the link was made. Null for nowhere.';

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
