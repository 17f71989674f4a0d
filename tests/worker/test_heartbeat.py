"""The worker's row: how many of its slots turn. What a loop that stands still does to it: test_asyncio_wedges.py."""

import asyncio
import os
import signal

import asyncpg
import psutil

from tests.conftest import Stack, Tenant, role_url, wait_until


def _turning(environment: dict[str, str]) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(role_url(environment, "tq_worker"))
        try:
            turning: int = await connection.fetchval(
                "SELECT coalesce(sum(slots), 0)::integer FROM worker WHERE heartbeat_at > now() - interval '15 seconds'"
            )
            return turning
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_child_that_stands_still_is_counted_no_more_and_replaced(
    stack: Stack, environment: dict[str, str], acme: Tenant
):
    wait_until(lambda: _turning(environment) == 2, "both slots")
    stopped = psutil.Process(stack.processes["worker"].pid).children()[0]
    os.kill(stopped.pid, signal.SIGSTOP)
    wait_until(lambda: not stopped.is_running() or stopped.status() == psutil.STATUS_ZOMBIE, "its end")
    wait_until(lambda: _turning(environment) == 2, "its successor")
    for number in range(4):
        assert acme.result(acme.submit(task="echo", payload=number))["result"] == number
