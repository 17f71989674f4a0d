"""The short form: every crash point once, and the faults that happen most, each checked by itself."""

import random
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.faults import crash_points, customers, faults, server_faults, stage
from tests.faults.crash_points import Round
from tests.faults.faults import Felt
from tests.faults.stage import Stage

SEED = 20_261_124
_PER_SECOND = 12.0

_FAULTS: dict[str, Callable[[Stage, random.Random], Felt]] = {
    "F1 api killed": faults.kill_api,
    "F2 child killed": faults.kill_child,
    "F2 asyncio worker and that of http_request killed": faults.kill_loop_workers,
    "F2 dispatcher killed": faults.kill_dispatcher,
    "F2 webhooks killed": faults.kill_webhooks,
    "F2 worker killed, F4 another paused": faults.lose_both_workers,
    "F6 Redis emptied": server_faults.flush_redis,
    "F7 Postgres killed": server_faults.kill_postgres,
    "F21 rows in DEFAULT": server_faults.lose_a_month,
    "F22 event loops wedged": customers.wedge,
}


def _say(text: str) -> None:
    # Shown with -s, and when a test fails.
    sys.stdout.write(f"{text}\n")


def _say_errors(ready: Stage) -> None:
    """Show what the processes have logged as errors: their folder is gone when the test is read."""
    for log in sorted(ready.cluster.folder.rglob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if '"level":"ERROR"' in line.replace(" ", "") or '"level":"CRITICAL"' in line.replace(" ", ""):
                _say(f"{log.name}: {line[:3000]}")


@pytest.fixture(scope="module")
def ready() -> Iterator[Stage]:
    """A stack of its own under a load."""
    with stage.running(SEED) as made:
        yield made


@pytest.fixture
def loaded(ready: Stage) -> Iterator[Stage]:
    """The load goes on while a test hurts; afterwards everything has ended, and nothing is wrong."""
    ready.load.begin(_PER_SECOND)
    try:
        yield ready
    finally:
        seconds = ready.rest()
    verdict = ready.check()
    _say(f"seed {ready.seed}: at rest after {seconds:.1f} s, {verdict.counts()}")
    if verdict.violations:
        _say_errors(ready)
    assert verdict.violations == []
    assert ready.sampler.looks > 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("chosen", crash_points.rounds(), ids=str)
def test_a_crash_at(chosen: Round, loaded: Stage):
    crash_points.crash(loaded, chosen)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", _FAULTS)
def test_nothing_is_lost_when(name: str, loaded: Stage):
    felt = _FAULTS[name](loaded, random.Random(SEED))
    _say(f"{name}: {felt}")
    # Bounds with room for a machine that has other things to do; the long form holds the real ones.
    assert felt.seconds < 45
