"""Dispatchers and webhooks processes say that they turn; a worker's row has its pid."""

from migrations import script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Make the table."""
    script.run("0022_processes")


def downgrade() -> None:
    """Drop it."""
    script.run("0022_processes_down")
