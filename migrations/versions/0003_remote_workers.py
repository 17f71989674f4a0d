"""Tenants' own task types, and the leases of their own workers."""

from alembic import op

from migrations import script

revision = "r0003"
down_revision = "r0002"

_FUNCTIONS = ("tasks_lease",)
_CHANGED = ("tasks_claim", "attempt_finish", "attempts_finish", "erase_tenant", "usage_roll_up")
_POOL = "The pool whose workers run it: prefork, asyncio, http, or remote:<task type> for the tenant''s own."
_RUNNING = "Tasks that run now, in all pools but those of the tenant''s own workers."
_LEASED = "Tasks that the tenant''s own workers run now. They are not in running."
_LEASE_LIMIT = "How many of them may run at once: the limit leases of the plan, or its override."


def upgrade() -> None:
    """Create the tables of own task types and leases, and count leases in tenant_slots."""
    script.create("remote", "task_type", "lease", "remote_worker")
    script.change(
        "ALTER TABLE task DROP CONSTRAINT task_pool_check,"
        " ADD CONSTRAINT task_pool_check CHECK (pool IN ('prefork', 'asyncio', 'http') OR pool LIKE 'remote:%')",
        "ALTER TABLE tenant_slots ADD COLUMN leased integer NOT NULL DEFAULT 0 CHECK (leased >= 0),"
        " ADD COLUMN lease_limit integer NOT NULL DEFAULT 0 CHECK (lease_limit >= 0)",
        # The limits of the plans when this revision was written. A later change of a plan or a limit writes it again.
        "UPDATE tenant_slots s SET lease_limit = CASE t.plan WHEN 'free' THEN 10 WHEN 'pro' THEN 200 ELSE 5000 END"
        " FROM tenant t WHERE t.id = s.tenant_id",
        f"COMMENT ON COLUMN task.pool IS '{_POOL}'",
        f"COMMENT ON COLUMN tenant_slots.running IS '{_RUNNING}'",
        f"COMMENT ON COLUMN tenant_slots.leased IS '{_LEASED}'",
        f"COMMENT ON COLUMN tenant_slots.lease_limit IS '{_LEASE_LIMIT}'",
    )
    for name in (*_FUNCTIONS, *_CHANGED):
        script.replace(name)
    script.replace("task_statuses", drop="IF EXISTS task_statuses(uuid[], uuid[], double precision)")
    script.replace("ledger_reconcile", drop="IF EXISTS ledger_reconcile()")


def downgrade() -> None:
    """Drop the leases. Alembic's guard refuses it where there are tenants."""
    op.execute("DROP FUNCTION tasks_lease")
    op.execute("DROP TABLE task_type, lease, remote_worker")
    op.execute("ALTER TABLE tenant_slots DROP COLUMN leased, DROP COLUMN lease_limit")
    op.execute(
        "ALTER TABLE task DROP CONSTRAINT task_pool_check,"
        " ADD CONSTRAINT task_pool_check CHECK (pool IN ('prefork', 'asyncio', 'http'))"
    )
