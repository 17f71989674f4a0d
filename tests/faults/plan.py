"""The long form's faults: what each is called, how long it may be felt, and what this machine cannot do."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.faults import crash_points, customers, disks, extremes, failover, faults, server_faults, weather
from tests.faults.faults import Felt
from tests.faults.stage import Stage


@dataclass(frozen=True)
class Entry:
    """One fault."""

    id: str
    name: str
    run: Callable[[Stage, random.Random], Felt]
    bound: float | None = None
    """Seconds for which it may be felt at most."""
    is_repeated: bool = True
    """Run again while there is time; otherwise once."""


def _crash(chosen: crash_points.Round, stage: Stage, rng: random.Random) -> Felt:
    crash_points.crash(stage, chosen)
    return Felt(len(chosen.points))


def entries() -> list[Entry]:
    """Return every fault that can be run here, in order."""
    return [
        *_first(),
        *(Entry("F0", f"crash at {chosen}", partial(_crash, chosen)) for chosen in crash_points.rounds()),
        *_then(),
    ]


def _first() -> list[Entry]:
    """Return the faults with the tightest bounds: a short run gets to these."""
    return [
        Entry("F2", "worker's child: kill -9", faults.kill_child, 3),
        Entry("F2", "worker: kill -9", faults.kill_worker, 20),
        Entry("F2", "asyncio worker: kill -9", faults.kill_asyncio_worker, 20),
        Entry("F2", "worker of http_request: kill -9", faults.kill_http_worker, 20),
        Entry("F2", "leading dispatcher: kill -9", faults.kill_dispatcher, 6),
        Entry("F2", "leading dispatcher: SIGSTOP", faults.pause_dispatcher, 6),
        Entry("F6", "Redis: FLUSHALL", server_faults.flush_redis, 10),
        Entry("F6", "Redis: kill -9, restarted empty", server_faults.kill_redis, 10),
        Entry("F6", "Redis: FLUSHALL among 3,000 tasks", extremes.flush_among_many, 10, is_repeated=False),
        Entry("F7", "Postgres: kill -9 and restart, from when it is up", server_faults.kill_postgres, 10),
        Entry("F7", "Postgres: every backend terminated", server_faults.terminate_backends, 10),
        Entry("F21", "Postgres: rows in DEFAULT, their month not made", server_faults.lose_a_month, 10),
        Entry("F18", "Postgres: read-only for 5 s", server_faults.make_postgres_read_only, 10),
        Entry(
            "F19",
            "Postgres: failover to the standby, the old primary returns",
            failover.fail_over,
            20,
            is_repeated=False,
        ),
        Entry("F20", "Redis: a read-only replica for 5 s", server_faults.make_redis_a_replica, 10),
        Entry("F20", "Redis: full for 5 s", server_faults.fill_redis, 10),
        Entry("F16", "ten rolling restarts", extremes.restart_rolling, is_repeated=False),
        Entry("load", "a backlog of 1,000,000 tasks", extremes.wait_with_a_million, is_repeated=False),
    ]


def _then() -> list[Entry]:
    return [
        Entry("F1", "api: kill -9", faults.kill_api),
        Entry("F2", "webhooks: kill -9", faults.kill_webhooks),
        Entry("F3", "every part at once: kill -9", faults.kill_all, 60),
        Entry("F4", "worker: SIGSTOP until its tasks run elsewhere", faults.pause_worker, 25),
        Entry("F4", "worker of http_request: SIGSTOP until its tasks run elsewhere", faults.pause_http_worker, 25),
        Entry("F5", "Redis: SIGSTOP for 5 s", server_faults.pause_redis, 10),
        Entry("F8", "Postgres: SIGSTOP for 5 s", weather.freeze_postgres, 10),
        Entry("F8", "Postgres: no connection left for 5 s", weather.fill_connections, 10),
        Entry("F9", "lines: 200 ms more", weather.delay),
        Entry("F9", "lines: reset after some kilobytes", weather.break_lines),
        Entry("F9", "lines: half-open for 10 s", weather.go_silent),
        Entry("F9", "lines: reset in the middle of COMMIT", weather.cut_commits),
        *_disks(),
        Entry("F14", "one task in twenty is poison", customers.poison, is_repeated=False),
        Entry("F15", "endpoints that misbehave", customers.misbehave, is_repeated=False),
        Entry("F10", "api1 without Redis, worker1 without Postgres, 30 s", weather.partition, is_repeated=False),
        Entry("F22", "code that blocks, stops or empties its event loop, in both pools", customers.wedge, 45),
        Entry("F4", "worker: SIGSTOP for half a lease", faults.nap_worker),
        Entry("F5", "Redis: SIGSTOP for 1 s", partial(server_faults.pause_redis, seconds=1), 10),
        Entry("F5", "Redis: SIGSTOP for 30 s", partial(server_faults.pause_redis, seconds=30), 10, is_repeated=False),
        Entry("F8", "Postgres: SIGSTOP for 30 s", partial(weather.freeze_postgres, seconds=30), 10, is_repeated=False),
        Entry("F4", "worker: SIGSTOP for three leases", faults.sleep_worker, 25),
    ]


def _disks() -> list[Entry]:
    # To mount, and to trace another user's process, takes root.
    if os.geteuid() != 0:
        return []
    failing = Entry("F13", "Postgres: the flush of a commit fails (EIO)", disks.fail_flush, 10, is_repeated=False)
    full = Entry("F12", "Postgres: no room on its disk", disks.fill_disk, 10, is_repeated=False)
    return [failing, full] if disks.TRACER else [full]


_FAKETIME: Final = "needs faketime, which this machine has not" if not shutil.which("faketime") else "not written yet"


def not_run() -> dict[str, str]:
    """Return what is not run here, and why."""
    reasons = {
        "F10": "by a firewall: needs network namespaces with iptables; run by proxies that swallow instead",
        "F11": f"clocks that jump: {_FAKETIME}",
        "F12": "a full disk: needs root, to mount one",
        "F13": "a flush that fails: needs strace, and root",
        "F17": "30 minutes of random faults: that is --minutes; C12 (files, connections, memory) is not looked at yet",
    }
    run = {entry.id for entry in _disks()}
    return {id_: reason for id_, reason in reasons.items() if id_ not in run}
