"""Schedules and their fires, and the event schedule.skipped."""

from alembic import op

from migrations import script

revision = "r0002"
down_revision = "r0001"

_FUNCTIONS = ("schedule_trigger", "schedules_record", "schedules_skipped")
_SUBJECTS = "The task (types 1 to 4), the endpoint (5, 6), the tenant (7), the key (8), or the schedule (9)."
_TYPES = (
    "1 task.succeeded, 2 task.failed, 3 task.revoked, 4 task.retrying, 5 endpoint.failing, 6 endpoint.disabled, "
    "7 quota.reached, 8 key.expiring, 9 schedule.skipped (functions/event_type_name.sql)."
)


def upgrade() -> None:
    """Create the tables and functions of schedules, and allow the new type of event."""
    script.create("schedules", "schedule", "schedule_fire")
    for name in (*_FUNCTIONS, "erase_tenant", "event_append", "event_type_name"):
        script.replace(name)
    script.change(
        "ALTER TABLE event DROP CONSTRAINT event_type_check,"
        " ADD CONSTRAINT event_type_check CHECK (type BETWEEN 1 AND 9)",
        f"COMMENT ON COLUMN event.subject IS '{_SUBJECTS}'",
        f"COMMENT ON COLUMN event.type IS '{_TYPES}'",
    )


def downgrade() -> None:
    """Drop the schedules. Alembic's guard refuses it where there are tenants."""
    op.execute("DROP FUNCTION schedule_trigger, schedules_record, schedules_skipped")
    op.execute("DROP TABLE schedule_fire, schedule")
    op.execute("DELETE FROM event WHERE type = 9")
    op.execute(
        "ALTER TABLE event DROP CONSTRAINT event_type_check,"
        " ADD CONSTRAINT event_type_check CHECK (type BETWEEN 1 AND 8)"
    )
