"""What open live pages of the console cost, and what a tenant's submits notice of them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmark import accounts, console_fill, percentiles, process_trees, servers, submitting
from scripts.benchmark.errors import BenchmarkError
from scripts.stack import http_client, parts
from scripts.stack.stackfile import Stack

CORE: Final = 0.1
SUBMITS: Final = 1.05
"""Targets: the part of a core that the pages use, and how much longer submits take with them."""
_PARTS: Final = ("api", "postgres", "valkey")
_PATHS: Final = (("", 5), ("/tasks", 4), ("/tasks?status=FAILURE", 4), ("/errors", 10))
"""The pages, and the seconds after which each asks without an event."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pages: int = 200
    seconds: float = 30.0
    settle_seconds: float = 45.0
    """After the pages were opened: by then each has asked more than once."""
    rate: int = 20
    """Tasks that end in a second, where the tenant works."""
    pairs: int = 5
    submits: int = 3_000


QUICK: Final = Size(20, 3.0, 3.0, 10, 1, 200)


def report(stack: Stack, account: accounts.Account, size: Size) -> Iterator[str]:
    """Yield the report, line by line."""
    cookies = console_fill.sign_in(stack.database_url or "", account.tenant_id, size.pages)
    yield f"\n{size.pages} open pages; part of a core that {', '.join(_PARTS)} use (target: at most {CORE:.0%} more)\n"
    yield "| the tenant | without pages | with pages | refreshes/s | |"
    yield "|---|---|---|---|---|"
    for rate in (0, size.rate):
        without, _ = _cores(stack, account, rate, size.seconds)
        with _open_pages(stack, cookies, size) as count:
            with_pages, refreshes = _cores(stack, account, rate, size.seconds, count)
        is_met = with_pages - without <= CORE
        name = f"ends {rate} tasks a second" if rate else "does nothing"
        yield f"| {name} | {without:.3f} | {with_pages:.3f} | {refreshes:.1f} | {'met' if is_met else '**missed**'} |"
    yield from _submits(stack, account, cookies, size)


def _submits(stack: Stack, account: accounts.Account, cookies: list[str], size: Size) -> Iterator[str]:
    """Submit in turns without and with pages, over 16 connections, no worker."""
    servers.stop_workers(stack)
    without, with_pages = [], []
    for _ in range(size.pairs):
        without.append(submitting.seconds(stack, account, size.submits))
        with _open_pages(stack, cookies, size):
            with_pages.append(submitting.seconds(stack, account, size.submits))
    ratio, lowest, highest = percentiles.ratios(with_pages, without)
    state = "met" if ratio <= SUBMITS else "**missed**"
    times = f"{ratio:.3f} times as long with the pages [of a pair: {lowest:.2f}-{highest:.2f}]"
    yield f"\n{size.submits:,} submits: {times}, {state}"


class _Count:
    """Counts the refreshes of the pages from their process's output, which is a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> int:
        return self._file.stat().st_size // len("refresh\n")


@contextlib.contextmanager
def _open_pages(stack: Stack, cookies: list[str], size: Size) -> Iterator[_Count]:
    file = stack.data_dir / "console-pages.log"
    with file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scripts.benchmark.console_pages"],
            stdin=subprocess.PIPE, stdout=log, env={**os.environ, "PYTHONPATH": str(parts.ROOT)}, text=True,
        )  # fmt: skip
        try:
            assert process.stdin is not None  # noqa: S101 it is a pipe
            process.stdin.write(json.dumps({"port": servers.port_of(stack), "paths": _PATHS, "cookies": cookies}))
            process.stdin.close()
            time.sleep(size.settle_seconds)
            yield _Count(file)
            if process.poll() is not None:
                raise BenchmarkError("the pages were closed: see above")
        finally:
            process.kill()
            process.wait()


def _cores(
    stack: Stack, account: accounts.Account, rate: int, seconds: float, count: _Count | None = None
) -> tuple[float, float]:
    """Return the cores that the processes used, and the refreshes in a second, while the tenant ends so many tasks."""
    roots = {part: pid for part, pid in servers.roots(stack).items() if part in _PARTS}
    before, refreshes, began = process_trees.cpu_seconds(roots), count.read() if count else 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if rate:
            body = {"tasks": [{"task": "echo", "payload": 1}] * rate}
            http_client.call(f"{stack.api_url}/api/tasks/batch", body=body, key=account.key)
        time.sleep(max(0, began + int(passed) + 1 - time.monotonic()))
    used = process_trees.cpu_seconds(roots)
    passed = time.monotonic() - began
    return sum(used[part] - before[part] for part in roots) / passed, (
        (count.read() if count else 0) - refreshes
    ) / passed
