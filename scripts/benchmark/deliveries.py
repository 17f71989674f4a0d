"""Deliveries to a receiver that answers at once: how many in a second, and the CPU of one.

The events are written first, while the process that delivers is paused. So nothing is measured but the way from an
event to a recorded answer: the delivery is made, claimed, signed, sent and recorded.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from scripts.benchmark import accounts, checked, database, generator, measurements, receiver, waits
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.names import PREFORK
from scripts.benchmark.plan import Plan
from scripts.benchmark.receiver import Receiver
from scripts.benchmark.runs import Figures, Run
from scripts.benchmark.target import Target
from scripts.stack import http_client
from scripts.stack.stackfile import Stack

_URLS: Final = 20
_CONNECTIONS: Final = 4
_BATCH: Final = 100
_SECONDS: Final = 120.0
_NOT_DELIVERED: Final = "SELECT count(*) FROM delivery WHERE status <> 'DELIVERED'"


def measure(plan: Plan, found: Run) -> Figures:
    """Measure on servers of its own."""
    with checked.ours(found, (PREFORK,)) as (stack, target):
        return on(stack, target, plan)


def on(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Return ``<kind>.rate``, ``<kind>.cpu`` and so on for each kind of destination."""
    figures: Figures = {}
    with receiver.running() as its:
        one, many = (f"{its.url}/one",), tuple(f"{its.url}/{number}" for number in range(_URLS))
        _send(stack, replace(target, webhook_urls=one), its, plan, "warm", plan.deliveries.warm_events)
        for name, urls in {"url": one, "urls": many}.items():
            figures |= _send(stack, replace(target, webhook_urls=urls), its, plan, name, plan.deliveries.events)
        of_endpoint = replace(target, key=_endpoint(stack, its))
        return figures | _send(stack, of_endpoint, its, plan, "endpoint", plan.deliveries.events)


def _endpoint(stack: Stack, its: Receiver) -> str:
    """Make an endpoint of a tenant of its own; return the tenant's key."""
    account = accounts.create(stack, "endpoint")
    url = f"{stack.api_url}/api/webhooks/endpoints"
    status, answer = http_client.call(url, body={"url": f"{its.url}/endpoint"}, key=account.key)
    if status != 201:  # noqa: PLR2004 Created
        raise BenchmarkError(f"no endpoint was made: {status} {answer}")
    return account.key


def _send(stack: Stack, target: Target, its: Receiver, plan: Plan, name: str, count: int) -> Figures:
    with _paused(stack):
        generator.run(target, "fill", _CONNECTIONS, count=count, size=_BATCH)
        waits.until_all_ended(stack)
        time.sleep(plan.settle_seconds)
        before = its.seen()
    # Resumed here: what is measured begins with the look that finds all events at once.
    return measurements.account(stack, name, plan, lambda: _received(stack, its, before, count))


@contextlib.contextmanager
def _paused(stack: Stack) -> Iterator[None]:
    pid = stack.processes["webhooks"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _received(stack: Stack, its: Receiver, before: Figures, count: int) -> Figures:
    """Wait until so many more events have come, and each delivery is recorded."""
    began = time.perf_counter()
    while (seen := its.seen())["count"] < before["count"] + count:
        if time.perf_counter() > began + _SECONDS:
            raise BenchmarkError(f"{seen['count'] - before['count']:.0f} of {count} events came in {_SECONDS:.0f} s")
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    while left := database.value(stack.database_url or "", _NOT_DELIVERED):
        if time.perf_counter() > began + _SECONDS:
            raise BenchmarkError(f"{left} deliveries are not DELIVERED")
        time.sleep(0.05)
    return {"count": count, "rate": count / seconds, "own_cpu": its.seen()["cpu"] - before["cpu"]}
