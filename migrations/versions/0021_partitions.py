"""Months are made by whoever starts, rows come back out of DEFAULT, and the leading dispatcher holds a lease.

A row in a DEFAULT partition made its month impossible to make, and with it every dispatcher end. The advisory lock by
which a dispatcher led needed a session of its own, which a pooler in transaction mode does not give.
"""

from alembic import op

from migrations import script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the functions and the lease; ``scripts/admin migrate`` then makes the months, each in a transaction."""
    script.run("0021_partitions", "0021_lease")


def downgrade() -> None:
    """Bring the former functions back. A partition that spans several months stays as it is."""
    op.execute("DROP FUNCTION dispatcher_leads")
    op.execute("DROP TABLE dispatcher_lease")
    script.run("0021_partitions_down")
