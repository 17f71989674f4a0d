"""Workers claim for several tenants at once, and write several ends at once."""

from alembic import op

from migrations import script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Functions of arrays take the place of those of one task."""
    op.execute("DROP FUNCTION task_claim, task_finish")
    script.run("0011_usage", "0011_claim", "0011_finish")


def downgrade() -> None:
    """Bring the former functions back."""
    op.execute("DROP FUNCTION tasks_claim, attempts_finish")
    script.run("0011_usage_down", "0009_claim", "0005_finish")
