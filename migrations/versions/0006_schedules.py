"""Due schedules by tenant, so that a tenant with very many does not make those of others late."""

from migrations import script

revision = "r0006"
down_revision = "r0002"


def upgrade() -> None:
    """Create the index of due schedules by tenant. Revision 0002 has made it with the table, unless it ran before."""
    script.change(
        "CREATE INDEX IF NOT EXISTS schedule_due_of_tenant ON schedule (tenant_id, next_fire_at)"
        " WHERE next_fire_at IS NOT NULL"
    )


def downgrade() -> None:
    """Drop it."""
    script.change("DROP INDEX IF EXISTS schedule_due_of_tenant")
