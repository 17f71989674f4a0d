"""The index of what is due begins with the pool, so that no lookup by a tenant's task mistakes it for its own.

Where statistics do not know a tenant, they expect one row of it, and then every index that begins with the tenant
looks as good as the primary key: a cancel read all that its tenant had waiting to find one task. What is due is always
asked for by pool and tenant both.
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Exchange the index. The backlog is small: it holds what waits."""
    op.execute("CREATE INDEX backlog_due_by_pool ON backlog (pool, tenant_id, priority, due_at)")
    op.execute("DROP INDEX backlog_due")
    op.execute("ALTER INDEX backlog_due_by_pool RENAME TO backlog_due")


def downgrade() -> None:
    """Bring the former index back."""
    op.execute("CREATE INDEX backlog_due_by_tenant ON backlog (tenant_id, pool, priority, due_at)")
    op.execute("DROP INDEX backlog_due")
    op.execute("ALTER INDEX backlog_due_by_tenant RENAME TO backlog_due")
