"""Tell the state of a stack whose task did not end: where it waits cannot be seen from its status alone."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from redis import Redis

from app.broker.ring import RINGS

_QUERIES: Final = {
    "attempts that run": """
        SELECT n.slug, t.task, t.pool, a.worker_id, now() - a.started_at AS age
        FROM attempt a JOIN task t ON t.tenant_id = a.tenant_id AND t.id = a.task_id JOIN tenant n ON n.id = a.tenant_id
        WHERE a.finished_at IS NULL""",
    "due tasks": """
        SELECT n.slug, n.status, n.queue_paused, n.queue_paused_by_tenant, b.pool, count(*),
            array_agg(DISTINCT t.task || ' ' || t.status) AS what, min(b.due_at) AS since
        FROM backlog b JOIN tenant n ON n.id = b.tenant_id
        LEFT JOIN task t ON t.tenant_id = b.tenant_id AND t.id = b.task_id
        WHERE b.due_at <= now() GROUP BY 1, 2, 3, 4, 5""",
    "slots of tenants": """
        SELECT n.slug, s.running, s.running_asyncio, s.running_http, s.cap_prefork, s.cap_asyncio, s.cap_http
        FROM tenant_slots s JOIN tenant n ON n.id = s.tenant_id
        WHERE s.running > 0 OR s.cap_prefork IS NOT NULL OR s.cap_asyncio IS NOT NULL OR s.cap_http IS NOT NULL""",
    "pools": "SELECT *, now() - judged_at AS age FROM pool_slots",
    "workers": "SELECT *, now() - heartbeat_at AS age FROM worker",
    "long types": "SELECT task FROM long_task_type",
    "statements": """
        SELECT application_name, state, wait_event_type, wait_event, now() - query_start AS age, left(query, 60) AS query
        FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()""",
}
_LOG_LINES: Final = 20
_SECONDS: Final = 5.0


def describe(environment: Mapping[str, str], pids: Mapping[str, int], folder: Path) -> str:
    """Return a text for people: what Postgres, Redis, the processes and their logs in ``folder`` say now. Never raises."""
    readers: list[Callable[[], Iterable[str]]] = [
        lambda: _in_a_thread(partial(_postgres, environment["DATABASE_URL"])),
        lambda: _redis(environment["REDIS_URL"]),
        *(partial(_process, name, pid, folder / f"{name}.log") for name, pid in pids.items()),
    ]
    return "\n".join(line for read in readers for line in _lines(read))


def _lines(read: Callable[[], Iterable[str]]) -> list[str]:
    try:
        return list(read())
    except Exception as error:  # noqa: BLE001 a server that is away is what the test may have failed of
        return [f"not read: {error!r}"]


def _process(name: str, pid: int, log: Path) -> Iterator[str]:
    yield f"process {name}:"
    yield from _tree(pid)
    yield from (f"  log: {line}" for line in log.read_text().splitlines()[-_LOG_LINES:])


def _in_a_thread(read: Callable[[], Coroutine[Any, Any, list[str]]]) -> list[str]:
    # A browser keeps an event loop running in the thread of its tests, and a thread has one at most.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(read())).result()


async def _postgres(url: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
    try:
        return [f"{what}: {[dict(row) for row in await connection.fetch(sql)]}" for what, sql in _QUERIES.items()]
    finally:
        await connection.close()


def _redis(url: str) -> Iterator[str]:
    with Redis.from_url(url, decode_responses=True, socket_timeout=_SECONDS) as redis:
        for ring in RINGS.values():
            members = redis.smembers(ring.members)
            tickets = {queue: redis.llen(queue) for queue in members}
            order, ahead = redis.lrange(ring.order, 0, -1), redis.smembers(ring.ahead)
            yield f"ring {ring.queue}: order {order} tickets {tickets} ahead {ahead}"
        for client in redis.client_list():
            if client["cmd"] in {"brpop", "eval", "evalsha"}:
                yield f"client {client['addr']} {client['cmd']} flags {client['flags']} idle {client['idle']} s"


def _tree(pid: int) -> Iterator[str]:
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            ports = [line.laddr.port for line in process.net_connections() if line.raddr]
            yield f"  {process.pid} {process.status()}, {process.num_threads()} threads, ports {ports}"
    except psutil.Error as error:
        yield f"  {error}"
