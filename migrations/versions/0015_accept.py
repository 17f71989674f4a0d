"""Tasks are counted and stored by one statement, which is a transaction of its own.

A lone submit took four round trips: begin, count, insert, commit. What is granted is dealt where it is counted.
"""

from alembic import op

from migrations import script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the function. What it calls stays as it is."""
    script.run("0015_accept")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP FUNCTION tasks_accept")
