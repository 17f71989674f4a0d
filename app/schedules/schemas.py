"""The bodies of the calls about schedules. Docstrings and descriptions are part of the API document."""

import functools
import zoneinfo
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from app.core.timestamps import Timestamp
from app.schedules import cron
from app.schedules.decisions import CatchUp, Outcome, Overlap
from app.tasks.definition.control import MAX_DELAY_SECONDS
from app.tasks.metadata import Metadata
from app.tasks.schemas import DEFAULT_PRIORITY, Tag

MAX_NAME: Final = 64
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MIN_INTERVAL: Final = 10
"""Seconds between two fires of an interval, at least."""
_MAX_INTERVAL: Final = 366 * 86_400
_MAX_WINDOW: Final = 86_400
_MAX_CATCH_UP: Final = 30 * 86_400
_MAX_FIRES: Final = 1_000_000_000
_MAX_FAILURES: Final = 100
_MAX_ZONE: Final = 64
_MAX_NOTE: Final = 500
DEFAULT_CATCH_UP_SECONDS: Final = 3_600
_STRICT: Final = ConfigDict(extra="forbid", strict=True)


def _cron(expression: str) -> str:
    if fault := cron.fault(expression):
        # What is wrong, and never the input.
        raise ValueError(f"the cron expression {fault}" if fault.startswith("has") else fault)
    return expression


@functools.cache
def _zones() -> frozenset[str]:
    """Return the names of the time-zone database, without those that mean what a machine is set to.

    The folder has further files, such as ``right/UTC`` with leap seconds, by which no clock runs.
    """
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("unknown time zone; use a name such as Europe/Berlin")
    return name


_Name = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=NAME_PATTERN)]
_Cron = Annotated[str, StringConstraints(max_length=cron.MAX_LENGTH), AfterValidator(_cron)]
_Zone = Annotated[str, StringConstraints(max_length=_MAX_ZONE), AfterValidator(_zone)]
_Note = Annotated[str, StringConstraints(max_length=_MAX_NOTE, pattern=r"^[^\p{Cc}]*$")]


class FireTimes(BaseModel):
    """The times of a schedule. Send `cron` or `every_seconds`."""

    model_config = _STRICT

    cron: _Cron | None = Field(
        None,
        description="Five fields (minute, hour, day of the month, month, day of the week), or a name such as `@daily`.",
        examples=["0 3 * * *"],
    )
    every_seconds: Annotated[int, Field(ge=MIN_INTERVAL, le=_MAX_INTERVAL)] | None = Field(
        None, description="Seconds between two fires, instead of `cron`."
    )
    timezone: _Zone | None = Field(
        None, description="The time zone in which `cron` is read, such as `Europe/Berlin`. Default: `UTC`."
    )
    starts_at: Timestamp | None = Field(None, description="No fire is before this time.")
    ends_at: Timestamp | None = Field(None, description="No fire is after this time.")

    @model_validator(mode="after")
    def _has_times(self) -> "FireTimes":
        if (self.cron is None) == (self.every_seconds is None):
            raise ValueError("send cron or every_seconds, and not both")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("let starts_at be before ends_at")
        return self


class PreviewRequest(FireTimes):
    """The times to preview."""


class ScheduleValues(FireTimes):
    """A schedule without its name. A null member means the same as a missing one."""

    task: str = Field(max_length=64, description="Name of a task type (see `GET /api/task-types`).")
    payload: Any = Field(default_factory=dict, description="As in a submit.")
    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(DEFAULT_PRIORITY, description="As in a submit.")
    expires_seconds: float | None = Field(None, gt=0, le=MAX_DELAY_SECONDS, description="As in a submit.")
    max_attempts: int | None = Field(None, ge=1, le=25, description="As in a submit.")
    timeout_seconds: float | None = Field(None, gt=0, le=86_400, description="As in a submit.")
    tags: Annotated[list[Tag], Field(max_length=10)] | None = Field(default_factory=list, description="As in a submit.")
    metadata: Metadata | None = Field(None, description="As in a submit.")
    webhook_url: str | None = Field(None, max_length=2048, description="As in a submit.")
    window_seconds: Annotated[int, Field(ge=0, le=_MAX_WINDOW)] | None = Field(
        None, description="Each fire is later by a fixed part of this time, so that not all fire at once. Default: 0."
    )
    overlap: Overlap | None = Field(
        None,
        description="What a fire does while the latest task has not ended: start another one, skip it, let one fire "
        "wait, or cancel that task. Default: `allow`.",
    )
    catch_up: CatchUp | None = Field(
        None, description="Which fires that were missed, by more than a minute, are made up. Default: `none`."
    )
    catch_up_seconds: Annotated[int, Field(ge=0, le=_MAX_CATCH_UP)] | None = Field(
        None, description=f"Fires that were missed by more than this stay missed. Default: {DEFAULT_CATCH_UP_SECONDS}."
    )
    max_fires: Annotated[int, Field(ge=1, le=_MAX_FIRES)] | None = Field(
        None, description="It ends after so many tasks. Default: no end."
    )
    pause_after_failures: Annotated[int, Field(ge=1, le=_MAX_FAILURES)] | None = Field(
        None, description="It is paused when so many of its tasks have failed in a row. Default: never."
    )
    paused: bool | None = Field(None, description="Default: false for a new schedule; one that exists stays as it is.")


class ScheduleRequest(ScheduleValues):
    """A new schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "nightly-report", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "task": "echo"}]
        }
    )

    name: _Name = Field(description="Its name, which no other schedule of the tenant has.")


class PauseRequest(BaseModel):
    """A request to pause a schedule."""

    model_config = _STRICT

    note: _Note | None = Field(None, description="Why: a text for people.")


class Schedule(BaseModel):
    """A schedule, and where it stands."""

    schedule_id: UUID = Field(description="The schedule's id.")
    name: str
    description: str = Field(description="When it fires, in English.")
    cron: str | None = Field(description="The expression; null for an interval.")
    every_seconds: int | None = Field(description="Seconds between two fires; null for an expression.")
    timezone: str = Field(description="The time zone in which `cron` is read.")
    starts_at: datetime | None = Field(description="No fire is before this time; null for no bound.")
    ends_at: datetime | None = Field(description="No fire is after this time; null for no bound.")
    window_seconds: int = Field(description="Each fire is later by a fixed part of this time.")
    overlap: Overlap = Field(description="The rule for a fire while the latest task has not ended.")
    catch_up: CatchUp = Field(description="The missed fires that are made up.")
    catch_up_seconds: int = Field(description="Fires that were missed by more than this stay missed.")
    max_fires: int | None = Field(description="It ends after so many tasks; null for no end.")
    pause_after_failures: int | None = Field(
        description="It is paused when so many tasks have failed in a row; null for never."
    )
    task: str
    priority: int
    expires_seconds: float | None = Field(
        description="A task that has not started within these seconds ends REVOKED; null for no such end."
    )
    max_attempts: int
    timeout_seconds: float | None = Field(
        description="Seconds for which one attempt may run; null for the limit of the task type."
    )
    tags: list[str]
    metadata: dict[str, str]
    webhook_url: str | None = Field(description="The URL that receives the end of each task; null if there is none.")
    paused: bool = Field(description="Whether it is paused.")
    paused_at: datetime | None = Field(description="When it was paused; null while it is not.")
    paused_by: str | None = Field(
        description="A key's id, a member's e-mail, an operator, or `failures`; null while it is not paused."
    )
    pause_note: str | None = Field(description="Why it was paused; null if nobody has said so.")
    next_fire_at: datetime | None = Field(description="Null while it is paused, and after its end.")
    queued_fire_at: datetime | None = Field(
        description="A fire that waits for the end of the latest task; null if none does."
    )
    last_fire_at: datetime | None = Field(
        description="The latest fire of the clock, whatever became of it; null before the first."
    )
    last_task_id: UUID | None = Field(description="Its latest task; null before the first.")
    fires: int = Field(description="Tasks that the clock has caused.")
    created_at: datetime
    updated_at: datetime


class ScheduleFire(BaseModel):
    """The outcome of a fire."""

    fire_at: datetime = Field(description="The time of the fire; of several, the first one.")
    outcome: Outcome = Field(description="`fired` if it made a task.")
    reason: str | None = Field(
        description="More about the outcome. Of a task: null if the clock caused it, else `trigger` or `backfill`."
    )
    task_id: UUID | None = Field(description="The task; null if it made none.")
    count: int = Field(description="The number of fires.")
    until: datetime | None = Field(description="The last one of several fires; null for one.")


class ScheduleDetail(Schedule):
    """Everything about a schedule."""

    payload: JsonValue = Field(description="The payload of its tasks.")
    next_fires: list[datetime] = Field(description="The next 5 fires.")
    last_fires: list[ScheduleFire] = Field(description="The latest 20 fires, the newest first.")


class SchedulePage(BaseModel):
    """A page of schedules, newest first."""

    items: list[Schedule]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")


class Preview(BaseModel):
    """The times at which a schedule would fire, without its window."""

    next_fires: list[datetime] = Field(description="The next 10 fires, or fewer if there are no more.")
    description: str = Field(description="When it fires, in English.")
