"""F12 and F13: a disk that is full, and one that fails once: a tracer lets Postgres see EIO from a flush of its log."""

import contextlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.faults import stage as stages
from tests.faults.faults import Felt
from tests.faults.server_faults import after_crash, first_accepted, make_a_queue
from tests.faults.stage import Stage
from tests.faults.waiting import last, until

TRACER: Final = shutil.which("strace")
_SIZE: Final = "400m"
_BLOCK: Final = bytes(1_000_000)
_SUBMITTERS: Final = "SELECT pid FROM pg_stat_activity WHERE usename = 'tq_submit'"
_UP_SINCE: Final = (
    "SELECT extract(epoch FROM min(backend_start)) FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
)


def fill_disk(stage: Stage, rng: random.Random) -> Felt:
    """F12: Postgres, on a small disk of its own in a stack of its own, runs out of room, and later has room again."""
    stage.load.end()
    with _small_disk() as disk, stages.running(rng.randrange(1 << 31), disk=disk) as small:
        small.load.begin(15)
        until(lambda: first_accepted(small, 0) is not None, "a first task", 30)
        at = time.time()
        with _filled(disk):
            until(lambda: any(one.status == 503 and one.at > at for one in small.load.history.answers()), "a 503", 120)
            last(5)
        healed = time.time()
        # It may have given up when its log found no room.
        small.postgres_crashes.append(healed)
        small.cluster.start_postgres()
        until(lambda: first_accepted(small, healed) is not None, "an accepted submit", 60, 0.05)
        accepted = (first_accepted(small, healed) or healed) - healed
        small.rest()
        verdict = small.check()
    assert not verdict.violations, verdict.violations[:10]
    return Felt(verdict.operations, accepted, {"refused with 503": verdict.refusals_503, "lost": verdict.lost})


@contextlib.contextmanager
def _small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=711", "faults", str(folder)], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()


@contextlib.contextmanager
def _filled(disk: Path) -> Iterator[None]:
    file = disk / "filler"
    try:
        with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
            while filler.write(_BLOCK):
                continue
        yield
    finally:
        file.unlink()


def fail_flush(stage: Stage, rng: random.Random) -> Felt:
    """F13: the flush of a commit fails: Postgres gives up (PANIC) and comes back by itself."""
    make_a_queue(stage)
    before = float(stage.owner.value(_UP_SINCE))
    pids = [row["pid"] for row in stage.owner.rows(_SUBMITTERS)]
    stage.postgres_crashes.append(time.time())
    tracers = [_trace(pid) for pid in pids]
    try:
        until(lambda: _has_restarted(stage, before), "Postgres to give up and come back", 40, 0.05)
        stage.postgres_crashes.append(time.time())
    finally:
        for tracer in tracers:
            tracer.terminate()
            tracer.wait(10)
    return after_crash(stage)


def _trace(pid: int) -> subprocess.Popen[bytes]:
    inject = "inject=fdatasync,fsync:error=EIO:when=1"
    return subprocess.Popen(
        [str(TRACER), "-p", str(pid), "-e", "trace=fdatasync,fsync", "-e", inject, "-o", "/dev/null"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _has_restarted(stage: Stage, before: float) -> bool:
    since = stage.owner.value(_UP_SINCE)
    return since is not None and float(since) > before
