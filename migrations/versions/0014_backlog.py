"""The backlog without a foreign key of its own to tenant.

Its check took a fifth of what Postgres spends on a task that is accepted, and held nothing that another does not hold
already. A row of the backlog is only ever written in one transaction with its task's row: a submit inserts both, and a
retry updates the one that it puts back. The task's own foreign key keeps the tenant's row until that transaction ends,
or refuses it; and `erase_tenant` deletes the tenant only once it has found no task and nothing in the backlog, under a
lock that no new task passes. So no backlog outlives its tenant.
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE backlog DROP CONSTRAINT backlog_tenant_id_fkey")


def downgrade() -> None:
    """Bring it back; every row is looked at."""
    op.execute("ALTER TABLE backlog ADD FOREIGN KEY (tenant_id) REFERENCES tenant ON DELETE CASCADE")
