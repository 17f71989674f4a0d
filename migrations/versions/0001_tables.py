"""Tables, guards, lifecycle functions and access."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_SQL = Path(__file__).parent.parent / "sql"
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
    connection = op.get_bind().connection.dbapi_connection
    for part in ("tables", "guards", "lifecycle", "access"):
        # Many statements in one text: the driver's own execute takes them, a prepared statement does not.
        text = (_SQL / f"0001_{part}.sql").read_text()
        connection.run_async(lambda driver, text=text: driver.execute(text))


def downgrade() -> None:
    """Drop everything; the roles stay, they belong to the cluster."""
    op.execute(f"DROP TABLE {_TABLES}")
    op.execute(f"DROP FUNCTION {_FUNCTIONS}")
