"""Functions that run as the owner look nothing up in a caller's temporary tables, and judge times themselves.

Postgres looks for a table in ``pg_temp`` first, unless the search path names it at a later place. So a role could put a
table of its own in the way of a SECURITY DEFINER function, with a trigger that then ran as the owner.
"""

from migrations import script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Pin the search path, and hold what is pruned against its retention."""
    script.run("0023_walls")


def downgrade() -> None:
    """Bring the former functions and paths back."""
    script.run("0023_walls_down")
