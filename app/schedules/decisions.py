"""Decide what becomes of due fires (pure): which make a task, which wait, and which are skipped or missed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from app.schedules.timing import Timing
from app.tasks.status import FINAL

Overlap: TypeAlias = Literal["allow", "skip", "queue_one", "cancel_running"]
CatchUp: TypeAlias = Literal["none", "latest", "all"]
Outcome: TypeAlias = Literal["fired", "skipped_overlap", "skipped_quota", "missed"]

LATE: Final = timedelta(seconds=60)
"""A fire that is later than this is missed. It is longer than a dispatcher takes to replace another one."""
MAX_FIRES: Final = 100
"""Tasks that one step of a schedule makes at most. The next step goes on."""
# Fires that one step looks at. A schedule that was not looked at for long has more, and the next step goes on.
_MAX_LOOK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Fire:
    """A fire, and what becomes of it."""

    fire_at: datetime
    outcome: Outcome = "fired"
    reason: str | None = None
    count: int = 1
    """Fires that this one stands for, from ``fire_at`` to ``until``."""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule some of whose fires are due, or wait."""

    timing: Timing
    overlap: Overlap
    catch_up: CatchUp
    catch_up_seconds: int
    max_fires: int | None
    fires: int
    """Tasks that the clock has caused so far."""
    next_fire_at: datetime | None
    queued_fire_at: datetime | None
    last_status: str | None
    """Status of its latest task; None if there is none."""
    pause_after_failures: int | None = None
    recent_statuses: Sequence[str] = ()
    """Statuses of the tasks of its latest fires, the newest first."""
    is_suspended: bool = False
    """True if the tenant may not run tasks now."""

    @property
    def left(self) -> int | None:
        """Return the number of tasks until it ends; None if there is no such end."""
        return None if self.max_fires is None else max(0, self.max_fires - self.fires)

    @property
    def is_running(self) -> bool:
        """Return whether the latest task has not ended."""
        return self.last_status is not None and self.last_status not in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of a step of a schedule."""

    fires: Sequence[Fire]
    next_fire_at: datetime | None
    queued_fire_at: datetime | None = None
    last_fire_at: datetime | None = None
    cancels: bool = False
    """True if the latest task is to be cancelled."""
    paused_for: int | None = None
    """Number of failed tasks in a row for which the schedule is paused now."""
    next_fire_at_if_refused: datetime | None = None
    """The next fire if the tasks are not made: a schedule that still may make tasks does not end."""

    @property
    def fired(self) -> list[Fire]:
        """Return the fires that make a task."""
        return [fire for fire in self.fires if fire.outcome == "fired"]

    def refused(self, policy: str) -> "Decision":
        """Return the same step if a quota has no room for its tasks."""
        refused = [
            replace(fire, outcome="skipped_quota", reason=policy) if fire.outcome == "fired" else fire
            for fire in self.fires
        ]
        return replace(self, fires=refused, next_fire_at=self.next_fire_at_if_refused)


@dataclass(slots=True)
class _Due:
    """The due fires of a step."""

    wanted: list[datetime] = field(default_factory=list)
    missed: list[datetime] = field(default_factory=list)
    next_fire_at: datetime | None = None


def decide(standing: DueSchedule, now: datetime) -> Decision:
    """Return what a step does at ``now``, a time of the database."""
    if standing.left == 0:
        return Decision(fires=_never(standing.queued_fire_at), next_fire_at=None)
    due = _due(standing, now)
    last = max([*due.wanted, *due.missed], default=None)
    if standing.is_suspended:
        # The tenant's tasks do not run. Fires are not caught up later, so that no flood comes with the end of it.
        times = [*due.missed, *due.wanted]
        return Decision(
            fires=_counted(times, "suspended"), next_fire_at=due.next_fire_at, last_fire_at=last,
            queued_fire_at=standing.queued_fire_at,
        )  # fmt: skip
    if failures := _failures_that_pause(standing):
        times = sorted([*due.missed, *due.wanted, *filter(None, [standing.queued_fire_at])])
        return Decision(fires=_counted(times, "failures"), next_fire_at=None, last_fire_at=last, paused_for=failures)
    fires, queued, cancels = _overlapping(standing, due.wanted)
    decision = Decision(
        fires=[*_counted(due.missed, "late"), *fires],
        next_fire_at=due.next_fire_at,
        queued_fire_at=queued,
        last_fire_at=last,
        cancels=cancels,
        next_fire_at_if_refused=due.next_fire_at,
    )
    if len(decision.fired) != standing.left:
        return decision
    # The last one. A fire that would wait for its end has no task left.
    return replace(decision, fires=[*decision.fires, *_never(queued)], next_fire_at=None, queued_fire_at=None)


def _never(queued_fire_at: datetime | None) -> list[Fire]:
    return [] if queued_fire_at is None else [Fire(queued_fire_at, "skipped_overlap", "max_fires")]


def _due(standing: DueSchedule, now: datetime) -> _Due:
    if standing.next_fire_at is None or standing.next_fire_at > now:
        return _Due(next_fire_at=standing.next_fire_at)
    following = itertools.chain([standing.next_fire_at], standing.timing.from_now_on(standing.next_fire_at))
    times: list[datetime] = []
    next_fire_at = None
    for moment in following:
        if moment > now or len(times) == _MAX_LOOK:
            next_fire_at = moment
            break
        times.append(moment)
    has_more = next_fire_at is not None and next_fire_at <= now
    wanted = _to_catch_up(standing, times, now, has_more=has_more)
    room = MAX_FIRES if standing.left is None else min(MAX_FIRES, standing.left)
    if len(wanted) > room:
        # The next step goes on there, unless the schedule has ended.
        next_fire_at, wanted = wanted[room], wanted[:room]
        times = [moment for moment in times if moment < next_fire_at]
    made_up = set(wanted)
    return _Due(wanted, [moment for moment in times if moment not in made_up], next_fire_at)


def _to_catch_up(standing: DueSchedule, times: list[datetime], now: datetime, *, has_more: bool) -> list[datetime]:
    on_time = [moment for moment in times if moment >= now - LATE]
    within = [moment for moment in times if moment >= now - timedelta(seconds=standing.catch_up_seconds)]
    match standing.catch_up:
        case "none":
            return on_time
        case "all":
            # A fire on time is no catch-up: it counts also where catch_up_seconds is shorter than a minute.
            return within if len(within) > len(on_time) else on_time
        case "latest":
            # With more to come, the latest one is not known yet.
            if len(on_time) == len(times) or has_more:
                return on_time
            return on_time[-1:] or within[-1:]


def _counted(times: Sequence[datetime], reason: str) -> list[Fire]:
    """Return one fire that stands for all times, or none."""
    if not times:
        return []
    return [Fire(times[0], "missed", reason, len(times), times[-1] if len(times) > 1 else None)]


def _overlapping(standing: DueSchedule, wanted: list[datetime]) -> tuple[list[Fire], datetime | None, bool]:
    """Return the fires, the one that waits for the end of the latest task, and whether that task is cancelled."""
    if standing.overlap == "allow":
        return [Fire(moment) for moment in wanted], None, False
    waiting = sorted([*filter(None, [standing.queued_fire_at]), *wanted])
    if standing.overlap == "cancel_running":
        # Only the newest one counts: it would cancel those before.
        skipped = [Fire(moment, "skipped_overlap") for moment in waiting[:-1]]
        if not waiting:
            return [], None, False
        if standing.is_running:
            return skipped, waiting[-1], True
        return [*skipped, Fire(waiting[-1])], None, False
    running = standing.is_running
    queued: datetime | None = None
    fires: list[Fire] = []
    for moment in waiting:
        if not running:
            fires.append(Fire(moment))
            running = True
        elif standing.overlap == "queue_one" and queued is None:
            queued = moment
        else:
            fires.append(Fire(moment, "skipped_overlap"))
    return fires, queued, False


def _failures_that_pause(standing: DueSchedule) -> int:
    if standing.pause_after_failures is None:
        return 0
    # A task that still runs says nothing yet: it neither ends the row of failures nor adds to it.
    ended = [status for status in standing.recent_statuses if status in FINAL]
    in_a_row = len(list(itertools.takewhile(lambda status: status == "FAILURE", ended)))
    return in_a_row if in_a_row >= standing.pause_after_failures else 0
