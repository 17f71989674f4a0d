"""Tables, guards, lifecycle functions and access."""

from alembic import op

from migrations import script

revision = "0001"
down_revision = None

_TABLES = (
    "auth_epoch, audit_event, worker, delivery_attempt, delivery, webhook_secret, usage, idempotency_key, backlog, "
    "result, attempt, task, api_key, tenant_slots, tenant"
)
_FUNCTIONS = (
    "task_claim, task_finish, usage_reserve, make_partitions, partition_bound, bump_auth_epoch, refuse_audit_change, "
    "refuse_terminal_change"
)


def upgrade() -> None:
    """Create everything; the roles exist already (``scripts/admin bootstrap``)."""
    script.run("0001_tables", "0001_guards", "0001_claim", "0001_finish", "0001_usage", "0001_access")


def downgrade() -> None:
    """Drop everything; the roles stay, they belong to the cluster."""
    op.execute(f"DROP TABLE {_TABLES}")
    op.execute(f"DROP FUNCTION {_FUNCTIONS}")
