DROP TABLE member, revoked_token;
DROP POLICY account ON tenant;
DROP POLICY account ON api_key;
DROP POLICY account ON audit_event;
-- Dropped with their columns' rights.
ALTER TABLE tenant DROP COLUMN token_version;
ALTER TABLE api_key DROP COLUMN replaced_by;
ALTER TABLE audit_event DROP COLUMN address;
REVOKE ALL ON tenant, api_key, audit_event, alembic_version FROM tq_account;
REVOKE ALL ON SCHEMA public FROM tq_account;
