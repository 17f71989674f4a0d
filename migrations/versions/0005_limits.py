"""Backlogs counted exactly, usage by task type, and functions that tell how much of each limit is used."""

from alembic import op

from migrations import script

revision = "0005"
down_revision = "0004"

_REPLACED = "usage_reserve, task_claim, task_finish"


def upgrade() -> None:
    """Count what waits now; attempts that ended before are in no usage."""
    op.execute(f"DROP FUNCTION {_REPLACED}")
    script.run("0005_limits", "0005_usage", "0005_claim", "0005_finish")


def downgrade() -> None:
    """Drop the counts and bring the former functions back."""
    op.execute(f"DROP FUNCTION {_REPLACED}")
    script.run("0001_usage", "0001_claim", "0002_finish", "0005_limits_down")
