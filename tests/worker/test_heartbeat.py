"""The worker's row: how many of its slots respond. What a loop that stands still does to it: tests/worker/aio/test_wedges.py."""

import asyncio
import os
import signal

import asyncpg
import psutil

from tests.conftest import Stack, Tenant, wait_until


def _responsive_slots(environment: dict[str, str]) -> int:
    return _ask(
        environment,
        "SELECT coalesce(sum(slots), 0)::integer FROM worker"
        " WHERE heartbeat_at > now() - interval '15 seconds' AND pool = 'prefork'",
    )


def _running(environment: dict[str, str]) -> int:
    return _ask(environment, "SELECT count(*)::integer FROM attempt WHERE finished_at IS NULL")


def _ask(environment: dict[str, str], statement: str) -> int:
    async def ask() -> int:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            found: int = await owner.fetchval(statement)
            return found
        finally:
            await owner.close()

    return asyncio.run(ask())


def test_a_child_that_stands_still_is_counted_no_more_and_replaced(
    stack: Stack, environment: dict[str, str], acme: Tenant
):
    wait_until(lambda: _responsive_slots(environment) == 2, "both slots")
    # A child that runs code is limited by that code's own time.
    wait_until(lambda: _running(environment) == 0, "other tests' tasks to end")
    stopped = psutil.Process(stack.processes["worker"].pid).children()[0]
    os.kill(stopped.pid, signal.SIGSTOP)
    wait_until(lambda: not stopped.is_running() or stopped.status() == psutil.STATUS_ZOMBIE, "its end")
    wait_until(lambda: _responsive_slots(environment) == 2, "its successor")
    for number in range(4):
        assert acme.result(acme.submit(task="echo", payload=number))["result"] == number
