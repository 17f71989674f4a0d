"""Pruning finds deliveries by their keys, whatever statistics know of them.

As one statement with a join, its plan could be made while the table was empty: then it read all of it for each batch,
and looked for the oldest once for each row, until the statistics were next taken.
"""

from migrations import script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """First find them, then delete them."""
    script.run("0019_prune")


def downgrade() -> None:
    """Bring the former function back."""
    script.run("0019_prune_down")
