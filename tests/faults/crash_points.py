"""F0: every named point of the code at which a test can end the process, found in the code itself."""

import re
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Final

from tests.faults import commands, recovery
from tests.faults.cluster import ROOT
from tests.faults.stage import Stage
from tests.faults.waiting import Every, until

_POINT: Final = re.compile(r'failpoints\.hit\("([a-z_.]+)"\)')
# Which part comes by a point, by the first word of its name.
_KINDS: Final = {
    "group_commit": "api",
    "accept": "api",
    "worker": "worker",
    "finish": "worker",
    "supervisor": "worker",
    "asyncio_pool": "asyncio",
    "due": "dispatcher",
    "rescue": "dispatcher",
    "webhooks": "webhooks",
    "http_request": "http",
}
# Points of work that this stage does not have. There are crashes there in tests/races/test_operations.py,
# test_webhook_operations.py and test_schedules.py.
_ELSEWHERE: Final = ("cancel_many.", "operation.", "release.", "schedule.", "sending_act.")
_RESCUE: Final = ("rescue.before_take_away", "rescue.before_offer")
_LEASES: Final = ("finish.before_commit", "supervisor.before_write", "worker.after_claim")
"""A worker's main process that crashes, and a claim that no worker knows of: only the rescuer finds what they held."""
_OF_MAIN: Final = ("finish.before_commit", "supervisor.before_write")
"""The main process comes by these too, when it ends what a dead child ran."""

_MORE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Round:
    """Points that are tried at once, each in a process of another kind."""

    points: tuple[str, ...]

    def __str__(self) -> str:
        return "+".join(self.points)


def all_points() -> list[str]:
    """Find the points in the product's code that the work of this stage comes by."""
    found = {name for path in (ROOT / "app").rglob("*.py") for name in _POINT.findall(path.read_text())}
    return sorted(name for name in found if not name.startswith(_ELSEWHERE))


def kind_of(point: str) -> str:
    """Return the kind of process that comes by a point."""
    return _KINDS[point.partition(".")[0]]


def rounds() -> list[Round]:
    """Pair the points by kind; those of the rescuer come together with the points that leave him something to do."""
    lines: dict[str, list[str]] = {kind: [] for kind in commands.KINDS}
    for point in all_points():
        if point not in (*_RESCUE, *_LEASES):
            lines[kind_of(point)].append(point)
    pairs = [Round(tuple(filter(None, points))) for points in zip_longest(*lines.values())]
    return [*pairs, Round((*_LEASES, *_RESCUE))]


def crash(stage: Stage, chosen: Round) -> None:
    """Let a process crash at each of the round's points, while others of its kind go on."""
    if _RESCUE[0] in chosen.points:
        _crash_workers_and_rescuers(stage)
        return
    names = {f"{kind_of(point)}-crash": point for point in chosen.points}
    for name, point in names.items():
        stage.cluster.start(name, FAILPOINT=point)
    if "http-crash" in names:
        # Enough for the worker that crashes, whatever the load does.
        stage.load.submit_many("http", "wide", [{} for _ in range(20)])
    if "dispatcher-crash" in names:
        _hand_lead_to(stage, "dispatcher-crash")
    for name, point in names.items():
        _wait_for_crash(stage, name, point)
    _restore(stage)


def _keep_something_to_end(stage: Stage) -> None:
    # What is cancelled and deaf is ended by its worker's main process: enough for each of the workers' slots.
    stage.load.submit_many("killed", "wide", [{} for _ in range(3 * commands.CHILDREN)])


def _hand_lead_to(stage: Stage, name: str) -> None:
    stage.cluster.wait_ready(name)
    for other in stage.cluster.running("dispatcher"):
        if other != name:
            stage.cluster.stop(other)
    # It may lead, and crash, between two looks.
    until(lambda: stage.cluster.has_crashed(name) or recovery.leader(stage.owner) == name, f"{name} to lead", 30, 0.05)


def _wait_for_crash(stage: Stage, name: str, point: str) -> None:
    if commands.kind_of(name) != "worker" or point in _OF_MAIN:
        until(partial(_has_crashed, stage, name, point, Every(_MORE_SECONDS)), f"{name} to crash at {point}", 60)
        _drop(stage, name)
        return
    seen: set[int] = set()

    def has_lost_a_child() -> bool:
        # Its main process comes by some of the points too.
        if stage.cluster.processes[name].poll() is not None:
            return True
        living = {child.pid for child in stage.cluster.children(name)}
        seen.update(living)
        return len(seen) > commands.CHILDREN or (len(seen) == commands.CHILDREN and living != seen)

    until(has_lost_a_child, f"a child of {name} to crash at {point}", 60)
    # The children that follow would crash too: one crash is asked for, a few happen.
    stage.cluster.stop(name)


def _has_crashed(stage: Stage, name: str, point: str, more: Every) -> bool:
    # On a slow machine the other workers may have taken all there was to end.
    if point in _OF_MAIN and more.is_due():
        _keep_something_to_end(stage)
    return stage.cluster.has_crashed(name)


def _drop(stage: Stage, name: str) -> None:
    stage.cluster.forget(name)
    stage.cluster.apis.pop(name, None)
    if commands.kind_of(name) == "webhooks":
        stage.break_leases(always=True)


def _restore(stage: Stage) -> None:
    missing = [name for name in ("dispatcher1", "dispatcher2") if name not in stage.cluster.processes]
    for name in missing:
        stage.cluster.start(name)
    stage.cluster.wait_ready(*missing)


def _crash_workers_and_rescuers(stage: Stage) -> None:
    """Attempts are left to nobody; who finds them dies, and who follows him dies when he has rescued them."""
    first, second = "dispatcher-crash1", "dispatcher-crash2"
    workers = {f"worker-crash{number}": point for number, point in enumerate(_LEASES)}
    stage.cluster.start(first, FAILPOINT=_RESCUE[0])
    for name, point in workers.items():
        stage.cluster.start(name, FAILPOINT=point)
    _hand_lead_to(stage, first)
    stage.cluster.start(second, FAILPOINT=_RESCUE[1])
    stage.cluster.wait_ready(*workers)
    _keep_something_to_end(stage)
    for name, point in workers.items():
        _wait_for_crash(stage, name, point)
    for name in (first, second):
        until(lambda name=name: stage.cluster.has_crashed(name), f"{name} to crash", 90)
        stage.cluster.forget(name)
    _restore(stage)
