"""Indexes of the operator's pages: paused queues, endpoints that fail or are disabled, the hours of all tenants."""

from alembic import op

from migrations import script

revision = "r0005"
down_revision = "r0004"

_RIGHT = "{} SELECT (tenant_id, minutes, starts_at, submitted, succeeded, failed, revoked, retried) ON stat {} tq_admin"


def upgrade() -> None:
    """Create the indexes, and let the operator's pages read the counts of hours."""
    script.change(
        "CREATE INDEX tenant_paused ON tenant (id) WHERE queue_paused OR queue_paused_by_tenant",
        "CREATE INDEX endpoint_unwell ON endpoint (tenant_id, id) WHERE NOT enabled OR failing_since IS NOT NULL",
        "CREATE INDEX stat_hour ON stat (starts_at) WHERE minutes = 60",
        _RIGHT.format("GRANT", "TO"),
        "CREATE POLICY admin ON stat TO tq_admin USING (true) WITH CHECK (true)",
    )


def downgrade() -> None:
    """Drop the indexes, and take the right back."""
    op.execute("DROP POLICY admin ON stat")
    op.execute(_RIGHT.format("REVOKE", "FROM"))
    op.execute("DROP INDEX tenant_paused, endpoint_unwell, stat_hour")
