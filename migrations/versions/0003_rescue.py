"""What the rescuer and the pruner need: an index of what runs, and functions that delete what is past its retention."""

from alembic import op

from migrations import script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the index and the functions."""
    script.run("0003_rescue")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION prune_tasks, drop_partitions")
    op.execute("REVOKE SELECT (finished_at) ON attempt FROM tq_dispatch")
    op.execute("REVOKE SELECT (pool) ON task FROM tq_dispatch")
    op.execute("DROP INDEX attempt_running")
    op.execute("ALTER TABLE delivery RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)")
