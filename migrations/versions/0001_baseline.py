"""The whole schema: every table, function, right and policy."""

from migrations import script

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Create everything; the roles exist already (``scripts/admin bootstrap``)."""
    script.create_all()


def downgrade() -> None:
    """Drop everything; the roles stay, they belong to the cluster."""
    script.drop_all()
