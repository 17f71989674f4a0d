"""Functions that end and erase a tenant that leaves."""

from alembic import op

from migrations import script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them."""
    script.run("0006_offboarding")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION cancel_tenant, erase_tenant")
