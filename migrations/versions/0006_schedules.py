"""Due schedules by tenant, so that a tenant with very many makes no other late; and times that are made up."""

from migrations import script

revision = "r0006"
down_revision = "r0005"

_FORMER = "'tasks.cancel', 'tasks.retry', 'webhooks.recover', 'webhooks.replay_missing', 'webhooks.resend'"
_KINDS = (
    "ALTER TABLE operation DROP CONSTRAINT operation_kind_check,"
    " ADD CONSTRAINT operation_kind_check CHECK (kind IN ({}))"
)
_MADE_UP = "outcome, reason, count, until, task_id"
_REASON = (
    "late, suspended, failures or paused of a missed fire; the quota of skipped_quota; trigger or backfill of one that"
    " the clock did not cause."
)


def upgrade() -> None:
    """Create the index and the function. Revision 0002 has made the index with the table, unless it ran before."""
    script.change(
        "CREATE INDEX IF NOT EXISTS schedule_due_of_tenant ON schedule (tenant_id, next_fire_at)"
        " WHERE next_fire_at IS NOT NULL",
        f"GRANT UPDATE ({_MADE_UP}) ON schedule_fire TO tq_submit",
        f"COMMENT ON COLUMN schedule_fire.reason IS '{_REASON}'",
        _KINDS.format(f"'schedules.backfill', {_FORMER}"),
    )
    script.replace("schedule_backfill")


def downgrade() -> None:
    """Drop them, and the operations that make up times."""
    script.change(
        "DROP FUNCTION schedule_backfill",
        "DELETE FROM operation WHERE kind = 'schedules.backfill'",
        _KINDS.format(_FORMER),
        f"REVOKE UPDATE ({_MADE_UP}) ON schedule_fire FROM tq_submit",
        "DROP INDEX IF EXISTS schedule_due_of_tenant",
    )
