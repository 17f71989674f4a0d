"""Deliveries by endpoint and the role that sends them; a finish that heeds a cancel and tells what ended."""

from alembic import op

from migrations import script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the role ``tq_webhook`` first where it is missing: ``scripts/admin bootstrap``."""
    op.execute("DROP FUNCTION task_finish")
    script.run("0002_finish", "0002_webhooks")


def downgrade() -> None:
    """Take deliveries back to what 0001 knew; those still to be sent stay."""
    op.execute("DROP FUNCTION task_finish")
    script.run("0001_finish", "0002_webhooks_down")
    op.execute("REVOKE ALL ON FUNCTION task_finish FROM public")
    op.execute("GRANT EXECUTE ON FUNCTION task_finish TO tq_worker")
