"""A claim says whether the task's end is an event."""

from alembic import op

from migrations import script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Let it say so."""
    op.execute("DROP FUNCTION task_claim")
    script.run("0009_claim")


def downgrade() -> None:
    """Bring the former function back."""
    op.execute("DROP FUNCTION task_claim")
    script.run("0005_claim")
