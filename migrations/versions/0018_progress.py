"""A task's progress stands in its own row.

It stood in its latest attempt's, so every status read two tables and their indexes: of a task that has ended long ago,
four pages from the disk instead of two.
"""

from alembic import op

from migrations import script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Move what was reported. What functions take and return is the same."""
    script.run("0018_progress", "0018_claim", "0018_finish", "0018_statuses")


def downgrade() -> None:
    """Move it back."""
    op.execute("DROP FUNCTION tasks_claim, attempts_finish, task_results, task_statuses")
    script.run("0018_progress_down", "0011_claim", "0011_finish", "0007_reads")
    op.execute("ALTER FUNCTION task_results(uuid[], uuid[]) SET plan_cache_mode = force_generic_plan")
    op.execute("ALTER FUNCTION task_statuses(uuid[], uuid[]) SET plan_cache_mode = force_generic_plan")
