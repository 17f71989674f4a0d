"""Tables that stay fast when they are large: how full their pages are, and when they are vacuumed."""

from migrations import script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Set it, for the months' tables that are made later too."""
    script.run("0013_storage")


def downgrade() -> None:
    """Take it back."""
    script.run("0013_storage_down")
