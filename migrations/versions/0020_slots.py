"""The last free slot of a pool is kept from tenants with long tasks; plans hold however empty the tables were.

Statements that join a large table with their own batch name the batch's ids beside the join: a plan that was made while
the table was known to be empty would read all of it.
"""

from migrations import script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Give each tenant a cap in each pool."""
    script.run("0020_slots", "0020_claim", "0020_finish", "0020_accept", "0020_statuses", "0020_ledger")


def downgrade() -> None:
    """Take the caps away: every slot is anybody's."""
    script.run("0020_slots_down", "0018_claim", "0018_finish", "0015_accept", "0018_statuses", "0020_ledger_down")
