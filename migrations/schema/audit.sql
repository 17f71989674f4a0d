-- The audit log.

CREATE TABLE audit_event (
    id uuid PRIMARY KEY,
    tenant_id uuid,
    actor_type text NOT NULL CHECK (actor_type IN ('operator', 'api_key', 'member', 'service')),
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    address text
);
CREATE INDEX audit_event_tenant ON audit_event (tenant_id, id);
COMMENT ON TABLE audit_event IS 'One change by a tenant or by the operator. A trigger makes the table append-only.';
COMMENT ON COLUMN audit_event.id IS 'UUIDv7: it contains its time.';
COMMENT ON COLUMN audit_event.tenant_id IS 'Null for a change that belongs to no tenant.';
COMMENT ON COLUMN audit_event.actor_type IS 'service: a process of the service that acted by itself; actor names its kind.';
COMMENT ON COLUMN audit_event.action IS 'Past tense: tenant.created, key.revoked.';
COMMENT ON COLUMN audit_event.address IS 'Network address of the client, for a change over HTTP; null otherwise.';
CREATE TRIGGER audit_event_append_only BEFORE UPDATE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
