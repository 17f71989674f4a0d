"""Tasks that wait for other tasks: their rows, what they wait for, and a mark on those for which others wait."""

from alembic import op

from migrations import script

revision = "r0004"
down_revision = "r0003"

_NEW = ("dependency_met", "held_free", "held_release", "held_settle", "tasks_hold")
_CHANGED = (
    "attempt_finish", "attempts_finish", "erase_tenant", "ledger_reconcile", "prune_tasks", "task_statuses",
    "waiting_change", "waiting_revoke",
)  # fmt: skip
_GATES = (
    "Bits: 1 other tasks wait, or have waited, for its end; 2 it waits, or has waited, for other tasks (held, "
    "dependency)."
)
_FEATURES = (
    "Features that the tenant uses, in bits. 1: it can read its events (event_hours > 0). 2: it has endpoints. With "
    "either of these, all its events are logged; without, only those with a webhook_url are. 4: some of its tasks wait "
    "for others (held)."
)


def upgrade() -> None:
    """Create the tables and functions of held tasks. A new column with a constant default rewrites no rows."""
    script.create("held", "held", "dependency")
    script.change(
        "ALTER TABLE task ADD gates smallint NOT NULL DEFAULT 0",
        f"COMMENT ON COLUMN task.gates IS '{_GATES}'",
        f"COMMENT ON COLUMN tenant_slots.features IS '{_FEATURES}'",
    )
    for name in (*_NEW, *_CHANGED):
        script.replace(name)


def downgrade() -> None:
    """Drop the tables of held tasks. Alembic's guard refuses it where there are tenants."""
    op.execute("DROP FUNCTION dependency_met, held_free, held_release, held_settle, tasks_hold")
    op.execute("DROP TABLE held, dependency")
    op.execute("ALTER TABLE task DROP COLUMN gates")
