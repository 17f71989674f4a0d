"""What the dispatcher deletes in batches is found first, whatever statistics know of the table.

As a join of the table with the batch, its plan could be made while the table was empty. Until statistics were taken
again it read all of it for each batch, and looked for the batch once for each row.
"""

from migrations import script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """First find, then delete."""
    script.run("0019_sweeps")


def downgrade() -> None:
    """Bring the former functions back."""
    script.run("0019_sweeps_down")
