"""F1 to F4: each fault of a part as a function that hurts, heals, and returns how long it was felt. Time is the database's."""

import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import Final

from tests.faults import cluster, commands, recovery
from tests.faults.stage import Stage
from tests.faults.waiting import NeverHappenedError, last, until

LEASE: Final = 15.0
_RUN_ON_A_LOOP: Final = """
SELECT count(*) > 10 FROM attempt a JOIN worker w ON w.id = a.worker_id
WHERE w.pool = 'asyncio' AND a.finished_at IS NULL
"""

_SENT_NOW: Final = """
SELECT count(*) > 2 FROM attempt a JOIN worker w ON w.id = a.worker_id WHERE w.pool = 'http' AND a.finished_at IS NULL
"""


@dataclass
class Felt:
    """What a fault did: how many tasks or tenants were affected, and seconds until the last of them went on."""

    affected: int = 0
    seconds: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)


def kill_api(stage: Stage, rng: random.Random) -> Felt:
    """F1: kill -9 one api; the other serves."""
    name = rng.choice(("api1", "api2"))
    _wait_for_answers(stage, name)
    at = time.time()
    stage.cluster.kill(name)
    stage.cluster.start(name)
    stage.cluster.wait_ready(name)
    return Felt(1, time.time() - at)


def kill_child(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 a worker's child in the middle of an attempt."""
    name = rng.choice(stage.cluster.running("worker"))
    pid = busy_child(stage, name)
    at = recovery.now(stage.owner)
    os.kill(pid, signal.SIGKILL)
    return Felt(*recovery.taken_away(stage.owner, at))


def kill_worker(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 a worker's main process; its children end with it, its tasks run on another."""
    name = rng.choice(("worker1", "worker2"))
    busy_child(stage, name)
    at = recovery.now(stage.owner)
    stage.cluster.kill(name)
    stage.cluster.start(name)
    felt = Felt(*recovery.taken_away(stage.owner, at))
    stage.cluster.wait_ready(name)
    return felt


def kill_asyncio_worker(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 the asyncio worker in the middle of many tasks; they run on its successor."""
    stage.load.submit_many("io_long", "wide", [{"payload": {"seconds": 3, "value": n}} for n in range(20)])
    until(lambda: stage.owner.value(_RUN_ON_A_LOOP), "tasks on the loop", 30)
    at = recovery.now(stage.owner)
    stage.cluster.kill("asyncio1")
    stage.cluster.start("asyncio1")
    felt = Felt(*recovery.taken_away(stage.owner, at))
    stage.cluster.wait_ready("asyncio1")
    return felt


def kill_http_worker(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 the worker of http_request while requests are under way; its successor sends them again."""
    at = _keep_http_worker_busy(stage)
    stage.cluster.kill("http1")
    stage.cluster.start("http1")
    felt = Felt(*recovery.taken_away(stage.owner, at))
    assert felt.affected, "the worker of http_request sent nothing"
    stage.cluster.wait_ready("http1")
    return felt


def pause_http_worker(stage: Stage, rng: random.Random) -> Felt:
    """F4: SIGSTOP the worker of http_request until another one has its tasks: what it writes then counts no more."""
    at = _keep_http_worker_busy(stage)
    stage.cluster.pause("http1")
    try:
        stage.cluster.start("http2")
        felt = Felt(*recovery.taken_away(stage.owner, at))
        assert felt.affected, "the paused worker sent nothing"
    finally:
        stage.cluster.resume("http1")
    stage.cluster.stop("http2")
    return felt


def _keep_http_worker_busy(stage: Stage) -> float:
    """Wait until it has requests under way; return the database's time."""
    stage.load.submit_many("http", "wide", [{"payload": {"url": "called-late", "json": n}} for n in range(12)])
    until(lambda: stage.owner.value(_SENT_NOW), "requests under way", 30, 0.01)
    return recovery.now(stage.owner)


def kill_loop_workers(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 both kinds of worker with an event loop, one right after the other: that of http_request too."""
    _keep_http_worker_busy(stage)
    stage.cluster.kill("http1")
    stage.cluster.start("http1")
    felt = kill_asyncio_worker(stage, rng)
    stage.cluster.wait_ready("http1")
    return felt


def kill_dispatcher(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 the leader; the standby takes over what falls due."""
    name = recovery.wait_for_leader(stage.owner)
    felt = _lose_leader(stage, name, lambda: stage.cluster.kill(name))
    stage.cluster.start(name)
    stage.cluster.wait_ready(name)
    return felt


def pause_dispatcher(stage: Stage, rng: random.Random) -> Felt:
    """Stop the leader without a word (SIGSTOP); the standby takes over, and the sleeper does no harm."""
    name = recovery.wait_for_leader(stage.owner)
    felt = _lose_leader(stage, name, lambda: stage.cluster.pause(name))
    stage.cluster.resume(name)
    return felt


def kill_webhooks(stage: Stage, rng: random.Random) -> Felt:
    """F2: kill -9 the process that delivers."""
    at = time.time()
    stage.cluster.kill("webhooks1")
    stage.break_leases()
    stage.cluster.start("webhooks1")
    stage.cluster.wait_ready("webhooks1")
    return Felt(1, time.time() - at)


def kill_all(stage: Stage, rng: random.Random) -> Felt:
    """F3: kill -9 every part at once, and start all again."""
    busy_child(stage, rng.choice(("worker1", "worker2")))
    at = recovery.now(stage.owner)
    for name in cluster.PARTS:
        stage.cluster.kill(name)
    stage.break_leases()
    for name in cluster.PARTS:
        stage.cluster.start(name)
    stage.cluster.wait_ready(*cluster.PARTS)
    return Felt(*recovery.taken_away(stage.owner, at))


def lose_both_workers(stage: Stage, rng: random.Random) -> Felt:
    """F2 and F4 at once: kill -9 one worker and SIGSTOP the other until the first, started again, has its tasks."""
    killed, paused = rng.sample(("worker1", "worker2"), 2)
    for name in (killed, paused):
        busy_child(stage, name)
    at = recovery.now(stage.owner)
    stage.cluster.pause(paused)
    try:
        stage.cluster.kill(killed)
        stage.cluster.start(killed)
        felt = Felt(*recovery.taken_away(stage.owner, at))
        assert felt.affected, "the workers ran nothing"
    finally:
        stage.cluster.resume(paused)
    return felt


def pause_worker(stage: Stage, rng: random.Random) -> Felt:
    """F4: SIGSTOP a worker until others have its tasks, then let it go on: it writes nothing."""
    name = rng.choice(("worker1", "worker2"))
    busy_child(stage, name)
    at = recovery.now(stage.owner)
    stage.cluster.pause(name)
    try:
        felt = Felt(*recovery.taken_away(stage.owner, at))
        assert felt.affected, "the paused worker ran nothing"
    finally:
        stage.cluster.resume(name)
    return felt


def nap_worker(stage: Stage, rng: random.Random) -> Felt:
    """F4: SIGSTOP a worker for half a lease: nothing is taken from it."""
    return _pause_worker_for(stage, rng, 0.5 * LEASE)


def sleep_worker(stage: Stage, rng: random.Random) -> Felt:
    """F4: SIGSTOP a worker for three leases."""
    return _pause_worker_for(stage, rng, 3 * LEASE)


def busy_child(stage: Stage, name: str) -> int:
    """Wait until a child of a worker is in the middle of a task of a second or more; return its pid."""
    stage.load.submit_many(
        "long", "wide", [{"payload": {"seconds": 3, "value": n}} for n in range(commands.CHILDREN + 1)]
    )
    found: list[int] = []

    def look() -> bool:
        pids = {child.pid for child in stage.cluster.children(name)}
        found[:] = [pid for pid in stage.running_children() if pid in pids]
        return bool(found)

    until(look, f"a busy child of {name}", 30)
    return found[0]


def _lose_leader(stage: Stage, name: str, lose: object) -> Felt:
    # Something falls due in the gap, whatever the load does.
    stage.load.submit_many("scheduled", "wide", [{"delay_seconds": 0.5 + n / 4} for n in range(16)])
    at = recovery.now(stage.owner)
    lose()  # type: ignore[operator]
    recovery.wait_for_leader(stage.owner, name)
    led = recovery.now(stage.owner)
    return Felt(*recovery.fallen_due(stage.owner, at, led), {"standby leads after": led - at})


def _pause_worker_for(stage: Stage, rng: random.Random, seconds: float) -> Felt:
    name = rng.choice(("worker1", "worker2"))
    busy_child(stage, name)
    at = recovery.now(stage.owner)
    stage.cluster.pause(name)
    try:
        last(seconds)
    finally:
        stage.cluster.resume(name)
    affected, felt = recovery.taken_away(stage.owner, at)
    assert seconds > LEASE or not affected, f"{affected} attempts were taken from a worker that slept {seconds} s"
    return Felt(affected, felt)


def _wait_for_answers(stage: Stage, name: str) -> None:
    before = time.time()
    try:
        until(lambda: any(one.api == name and one.at > before for one in stage.load.history.answers()), "load", 20)
    except NeverHappenedError:
        raise AssertionError(f"the load does not reach {name}") from None
