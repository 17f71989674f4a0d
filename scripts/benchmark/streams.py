"""``scripts/bench --streams``: what open streams of the feed cost an api process, and how soon events reach them."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmark import accounts, percentiles, process_trees, servers, submitting
from scripts.benchmark.errors import BenchmarkError
from scripts.stack import http_client, parts
from scripts.stack.stackfile import Stack

MEGABYTES: Final = 150.0
CORE: Final = 0.05
EVENT_MS: Final = 100.0
SUBMITS: Final = 1.05
"""Targets: memory of the api, the part of a core that it uses while nothing happens, the time from the commit of an
event to a stream (p95), and how much longer the submits of another tenant take."""
_OPEN_SECONDS: Final = 60.0
_GAP_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    streams: int = 1_000
    seconds: float = 30.0
    events: int = 40
    pairs: int = 5
    submits: int = 3_000


QUICK: Final = Size(20, 2.0, 3, 1, 200)


def main(arguments: Sequence[str]) -> str:
    """Measure, and return the report as markdown."""
    parser = argparse.ArgumentParser(prog="scripts/bench --streams")
    parser.add_argument("--streams", action="store_true", help="measure open streams of the feed")
    parser.add_argument("--quick", action="store_true", help="few streams: to see that it works")
    return "\n".join(run(QUICK if parser.parse_args(arguments).quick else Size()))


def run(size: Size) -> Iterator[str]:
    """Yield the report, line by line."""
    with servers.ours() as stack:
        follower, other = accounts.create(stack, "follower"), accounts.create(stack, "other")
        accounts.limit(stack, follower, streams=size.streams)
        submitting.seconds(stack, other, size.submits)
        memory, core = _memory(stack), _core(stack, size.seconds)
        with _open(stack, follower, size) as log:
            with_memory, with_core = _memory(stack), _core(stack, size.seconds)
            late = _times(stack, follower, size, log)
        yield f"# {size.streams:,} streams of one tenant on one api process\n"
        yield "| | without | with the streams | target | |"
        yield "|---|---|---|---|---|"
        figures = f"{memory:.0f} | {with_memory:.0f} | {MEGABYTES:.0f} | {_met(with_memory <= MEGABYTES)}"
        yield f"| memory of the api, MB | {figures} |"
        yield f"| part of a core while idle | {core:.3f} | {with_core:.3f} | {CORE} | {_met(with_core <= CORE)} |"
        p50, p95 = (percentiles.percentile(late, share) for share in (50, 95))
        times = f"p50 {p50:.0f}, p95 {p95:.0f}"
        yield f"| ms from an event to its streams | | {times} | {EVENT_MS:.0f} | {_met(p95 <= EVENT_MS)} |"
        yield _submits(stack, follower, other, size)


def _submits(stack: Stack, follower: accounts.Account, other: accounts.Account, size: Size) -> str:
    """Submit in turns without and with streams, no worker: then nothing else uses the processors."""
    servers.stop_workers(stack)
    without, with_streams = [], []
    for _ in range(size.pairs):
        without.append(submitting.seconds(stack, other, size.submits))
        with _open(stack, follower, size):
            with_streams.append(submitting.seconds(stack, other, size.submits))
    ratio, lowest, highest = percentiles.ratios(with_streams, without)
    figures = f"{ratio:.3f} times as long [of a pair: {lowest:.2f}-{highest:.2f}]"
    return f"| {size.submits:,} submits of another tenant | 1 | {figures} | {SUBMITS} | {_met(ratio <= SUBMITS)} |"


def _met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


@contextlib.contextmanager
def _open(stack: Stack, account: accounts.Account, size: Size) -> Iterator[Path]:
    """Yield the file to which the readers write, when all streams are open."""
    file = stack.data_dir / "streams.log"
    with file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scripts.benchmark.stream_readers"],
            stdin=subprocess.PIPE, stdout=log, env={**os.environ, "PYTHONPATH": str(parts.ROOT)}, text=True,
        )  # fmt: skip
        try:
            assert process.stdin is not None  # noqa: S101 it is a pipe
            process.stdin.write(json.dumps({"port": servers.port_of(stack), "key": account.key, "count": size.streams}))
            process.stdin.close()
            _wait_for(file, 1, _OPEN_SECONDS)
            yield file
            if process.poll() is not None:
                raise BenchmarkError("the streams were closed: see above")
        finally:
            process.kill()
            process.wait()


def _times(stack: Stack, account: accounts.Account, size: Size, log: Path) -> list[float]:
    """End tasks one after the other; return the milliseconds that each event needed to each stream.

    They count from the ``created_at`` of the event, when its transaction began, a little before its commit.
    """
    for number in range(size.events):
        http_client.call(f"{stack.api_url}/api/tasks/submit", body={"task": "echo", "payload": number}, key=account.key)
        time.sleep(_GAP_SECONDS)
    _wait_for(log, 1 + size.events * size.streams, _OPEN_SECONDS)
    return [float(line) for line in log.read_text().splitlines()[1:]]


def _wait_for(log: Path, lines: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (found := log.read_text().count("\n")) < lines:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the streams wrote {found} of {lines} lines in {seconds:.0f} s")
        time.sleep(0.1)


def _memory(stack: Stack) -> float:
    return process_trees.pss_megabytes({"api": servers.roots(stack)["api"]})["api"]


def _core(stack: Stack, seconds: float) -> float:
    roots = {"api": servers.roots(stack)["api"]}
    before, began = process_trees.cpu_seconds(roots)["api"], time.monotonic()
    time.sleep(seconds)
    return (process_trees.cpu_seconds(roots)["api"] - before) / (time.monotonic() - began)
