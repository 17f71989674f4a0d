"""``scripts/bench --console``: how fast the pages of the console are for a large tenant, and what open pages cost."""

import argparse
import http.client
import itertools
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from scripts.benchmark import (
    accounts,
    console_fill,
    console_live,
    console_view,
    database,
    percentiles,
    process_trees,
    servers,
)
from scripts.benchmark.errors import BenchmarkError
from scripts.stack import http_client
from scripts.stack.stackfile import Stack

PAGE_MS: Final = 50.0
PAGE_BYTES: Final = 250_000
VIEW_MS: Final = 300.0
"""Targets: the server's time of every page (p95), the bytes of a page with its files, the first view in a browser."""
_SESSIONS: Final = 40

PATHS: Final = (
    "", "/tasks", "/tasks?status=FAILURE", "/tasks?status=PENDING%2CRETRY", "/tasks?tag=customer-7",
    "/tasks?tag=none", "/tasks?sort=oldest", "/tasks?metadata=order%3A4711", "/tasks?task=long_task&within=24h",
    "/tasks/{task_id}", "/errors", "/webhooks", "/webhooks/new", "/webhooks/{endpoint_id}",
    "/webhooks/{endpoint_id}/edit", "/webhooks/deliveries", "/webhooks/deliveries?status=FAILED",
    "/webhooks/deliveries/{delivery_id}", "/operations/{operation_id}", "/schedules", "/schedules/new",
    "/schedules/{schedule_id}", "/submit", "/usage", "/keys", "/members",
    "/audit", "/audit?action=none", "/you", "/sign-in",
)  # fmt: skip
"""Every page, and the filters that read most."""

_SAMPLES: Final = {
    "task_id": "SELECT id::text FROM task WHERE tenant_id = $1 ORDER BY id DESC OFFSET 1000 LIMIT 1",
    "endpoint_id": "SELECT id::text FROM endpoint WHERE tenant_id = $1 LIMIT 1",
    "delivery_id": "SELECT id::text FROM delivery WHERE tenant_id = $1 ORDER BY id DESC OFFSET 1000 LIMIT 1",
}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rows: int = 2_000_000
    requests: int = 100
    """Of each page."""
    live: console_live.Size = field(default_factory=console_live.Size)


QUICK: Final = Size(20_000, 10, console_live.QUICK)


@dataclass(frozen=True)
class PageTimes:
    """One page: the times of its answers, what they cost api and Postgres, and the bytes of the page with its files."""

    path: str
    milliseconds: list[float]
    cpu_ms: float
    """Of one answer."""
    weight: int


def main(arguments: Sequence[str]) -> str:
    """Measure, and return the report as markdown."""
    parser = argparse.ArgumentParser(prog="scripts/bench --console")
    parser.add_argument("--console", action="store_true", help="measure the pages of the console")
    parser.add_argument("--quick", action="store_true", help="few tasks and requests: to see that it works")
    parser.add_argument("--rows", type=int, metavar="N", help="ended tasks of the tenant (default: 2 million)")
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else Size()
    lines = []
    for line in run(Size(asked.rows or size.rows, size.requests, size.live)):
        # A run takes a quarter of an hour, and what was measured must not be lost with what follows.
        print(line, file=sys.stderr, flush=True)
        lines.append(line)
    return "\n".join(lines)


def run(size: Size) -> Iterator[str]:
    """Yield the report, line by line."""
    with servers.ours() as stack:
        account = accounts.create(stack, "large")
        url = stack.database_url or ""
        console_fill.fill(url, account.tenant_id, size.rows)
        cookies = console_fill.sign_in(url, account.tenant_id, _SESSIONS)
        samples = _samples(stack, account)
        paths = [path.format(**samples) for path in PATHS]
        pages = [_measure(stack, path, cookies, size.requests) for path in paths]
        yield f"# The console of a tenant with {size.rows:,} tasks\n"
        yield from table(pages)
        yield from console_view.report(stack, paths, cookies, VIEW_MS)
        yield from console_live.report(stack, account, size.live)


def _samples(stack: Stack, account: accounts.Account) -> dict[str, str]:
    url, tenant = stack.database_url or "", UUID(account.tenant_id)
    found = {name: str(database.value(url, query, tenant)) for name, query in _SAMPLES.items()}
    body = {"filter": {"tag": "none"}}
    status, answer = http_client.call(f"{stack.api_url}/api/tasks/cancel", body=body, key=account.key)
    if "operation_id" not in answer:
        raise BenchmarkError(f"an operation was answered {status}: {answer}")
    wanted = {"name": "nightly", "cron": "0 3 * * *", "task": "echo", "payload": 1}
    made, schedule = http_client.call(f"{stack.api_url}/api/schedules", body=wanted, key=account.key)
    if "schedule_id" not in schedule:
        raise BenchmarkError(f"a schedule was answered {made}: {schedule}")
    return found | {"operation_id": str(answer["operation_id"]), "schedule_id": str(schedule["schedule_id"])}


def _measure(stack: Stack, path: str, cookies: Sequence[str], requests: int) -> PageTimes:
    sessions = itertools.cycle(cookies)
    where = urlsplit(stack.api_url or "")
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        # The first ones are of no account: plans are made, and pages are read into the buffers.
        bodies = [_get(connection, path, next(sessions)) for _ in range(3)]
        roots = {part: pid for part, pid in servers.roots(stack).items() if part in {"api", "postgres"}}
        before = sum(process_trees.cpu_seconds(roots).values())
        times = [_timed(connection, path, next(sessions)) for _ in range(requests)]
        cpu = 1000 * (sum(process_trees.cpu_seconds(roots).values()) - before) / requests
        files = re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', bodies[0].decode())
        weight = len(bodies[0]) + sum(len(_get(connection, file, cookies[0])) for file in set(files))
    finally:
        connection.close()
    return PageTimes(path, times, cpu, weight)


def _timed(connection: http.client.HTTPConnection, path: str, cookie: str) -> float:
    began = time.perf_counter()
    _get(connection, path, cookie)
    return 1000 * (time.perf_counter() - began)


def _get(connection: http.client.HTTPConnection, path: str, cookie: str) -> bytes:
    path = path if path.startswith("/console/") else f"/console{path}"
    # A visitor has no session, and its own page.
    headers = {} if path.endswith("/sign-in") else {"Cookie": f"console={cookie}"}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise BenchmarkError(f"{path} was answered {response.status}: {json.dumps(body[:300].decode())}")
    return body


def table(pages: Sequence[PageTimes]) -> Iterator[str]:
    """Yield the table of the pages' times and weights."""
    yield f"Answers in ms (target: p95 at most {PAGE_MS:.0f}), KB with all files (at most {PAGE_BYTES // 1000})\n"
    yield "| page | p50 | p95 | CPU of api and Postgres | KB | |"
    yield "|---|---|---|---|---|---|"
    for page in pages:
        p50, p95 = (percentiles.percentile(page.milliseconds, share) for share in (50, 95))
        is_met = p95 <= PAGE_MS and page.weight <= PAGE_BYTES
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", f"/console{page.path}")
        figures = f"{p50:.1f} | {p95:.1f} | {page.cpu_ms:.1f} | {page.weight / 1000:.0f}"
        yield f"| `{name}` | {figures} | {'met' if is_met else '**missed**'} |"
