"""Functions by which the api reads results and statuses in one round trip."""

from alembic import op

from migrations import script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make them."""
    script.run("0007_reads")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION task_results, task_statuses")
