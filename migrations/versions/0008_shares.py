"""The roll-up of usage says what each tenant has used of the workers."""

from migrations import script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make it say so."""
    script.run("0008_shares")


def downgrade() -> None:
    """Let it return a count."""
    script.run("0008_shares_down")
