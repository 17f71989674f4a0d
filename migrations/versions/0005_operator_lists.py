"""Indexes of the operator's lists: queues that are paused, endpoints that fail or are disabled."""

from alembic import op

from migrations import script

revision = "r0005"
down_revision = "r0002"


def upgrade() -> None:
    """Create the indexes."""
    script.change(
        "CREATE INDEX tenant_paused ON tenant (id) WHERE queue_paused OR queue_paused_by_tenant",
        "CREATE INDEX endpoint_unwell ON endpoint (tenant_id, id) WHERE NOT enabled OR failing_since IS NOT NULL",
    )


def downgrade() -> None:
    """Drop the indexes."""
    op.execute("DROP INDEX tenant_paused, endpoint_unwell")
