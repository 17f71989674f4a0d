"""Results and statuses are read by a plan that is made once for each connection."""

from alembic import op

revision = "0012"
down_revision = "0011"

_READS = ("task_results(uuid[], uuid[])", "task_statuses(uuid[], uuid[])")


def upgrade() -> None:
    """Keep the plan.

    Left to itself Postgres plans each call anew: for known ids it sees one partition, and takes that to be worth it.
    But to plan over partitions and policies costs four times what it costs to pass over the others when it runs.
    """
    for read in _READS:
        op.execute(f"ALTER FUNCTION {read} SET plan_cache_mode = force_generic_plan")


def downgrade() -> None:
    """Let Postgres choose."""
    for read in _READS:
        op.execute(f"ALTER FUNCTION {read} RESET plan_cache_mode")
