"""Starts each contender on a Postgres and a Valkey of its own in a scratch folder, and stops all of it again."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import asyncpg

from scripts.benchmark import names, node, peers
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.peers import Peer
from scripts.stack import embedded, files, http_client, parts, ports, processes, provision, readiness
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

# As scripts/stack/parts.py serves ours, but for a guard of our own around httptools; a test holds them equal.
SERVED_BY = """--host 127.0.0.1 --http httptools --loop uvloop --no-proxy-headers --no-server-header --no-access-log
    --timeout-keep-alive 75 --timeout-graceful-shutdown 10"""
_NAIVE_WORKER = "celery -A scripts.benchmark.naive_worker worker --pool prefork --concurrency 2 --loglevel WARNING"
_WORKER_OF = {names.PREFORK: "worker1", names.ASYNCIO: "asyncio1"}
_TASK_MODULES = "scripts.benchmark.task_types"
_NAIVE_DATABASE = "naive"
_ANSWER_SECONDS = 60.0


@contextlib.contextmanager
def ours(pools: Sequence[str] = (names.PREFORK,), modules: str = _TASK_MODULES) -> Iterator[Stack]:
    """Run the product as ``scripts/up`` does: api, dispatcher, webhooks, a worker for each pool and that of http.

    ``modules`` are those with the task types of its workers.
    """
    with _scratch_stack() as stack:
        _start_servers(stack)
        provision.prepare(stack)
        workers = [_WORKER_OF[pool] for pool in pools]
        names_of_parts = ["api", "dispatcher", *workers, "webhooks", "http"]
        with _task_types(modules):
            for part in names_of_parts:
                parts.start(stack, part)
        readiness.wait(stack, dict.fromkeys(names_of_parts, 0))
        yield stack


@contextlib.contextmanager
def _task_types(modules: str) -> Iterator[None]:
    """Let what starts meanwhile have these task types, as an operator names their own."""
    os.environ["TASK_MODULES"] = modules
    try:
        yield
    finally:
        del os.environ["TASK_MODULES"]


@contextlib.contextmanager
def empty_route() -> Iterator[Stack]:
    """Run the empty route; it needs no servers."""
    with _scratch_stack() as stack:
        _start(stack, "api", f"uvicorn scripts.benchmark.empty_route:app {SERVED_BY} --port {port_of(stack)}", {})
        _wait_for_api(stack)
        yield stack


@contextlib.contextmanager
def gated_route() -> Iterator[Stack]:
    """Run our api with the two routes of ``gated_route``, alone on its servers."""
    with _scratch_stack() as stack:
        _start_servers(stack)
        provision.prepare(stack)
        _start(stack, "api", f"uvicorn scripts.benchmark.gated_route:app {SERVED_BY} --port {port_of(stack)}", {})
        _wait_for_api(stack)
        yield stack


@contextlib.contextmanager
def naive() -> Iterator[Stack]:
    """Run the naive app: one api process and a worker, with its own database and its own Redis databases."""
    with _scratch_stack() as stack:
        _start_servers(stack)
        asyncio.run(_create_database(stack.database_url or "", _NAIVE_DATABASE))
        settings = _naive_settings(stack)
        _start(stack, "api", f"uvicorn scripts.benchmark.naive:app {SERVED_BY} --port {port_of(stack)}", settings)
        _start(stack, "worker1", _NAIVE_WORKER, settings)
        _wait_for_api(stack)
        stack.database_url = _naive_database(stack)
        yield stack


@contextlib.contextmanager
def peer(its: Peer) -> Iterator[Stack]:
    """Run a peer in the bench's environment: one api process and its worker, on the one server that it needs."""
    with _scratch_stack() as stack:
        (_start_database if its.is_in_postgres else _start_redis)(stack)
        if its.keeps_log:
            peers.keep_log(stack)
        settings = peers.settings(stack)
        if its.is_node:
            _spawn(stack, "api", _node_line(its, "api.mjs", str(port_of(stack))), settings)
            _wait_for_api(stack)
            _spawn(stack, "worker1", _node_line(its, *its.worker.split()), settings)
        else:
            python = peers.python()
            _start(stack, "api", f"uvicorn {its.api} {SERVED_BY} --port {port_of(stack)}", settings, python)
            # It makes the tables.
            _wait_for_api(stack)
            _start(stack, "worker1", its.worker, settings, python)
        yield stack


def _node_line(its: Peer, file: str, *arguments: str) -> list[str]:
    return [node.command(), str(node.folder(its.name) / file), *arguments]


def port_of(stack: Stack) -> int:
    """Return the port of a contender's API."""
    return int((stack.api_url or "").rpartition(":")[2])


def roots(stack: Stack) -> dict[str, int]:
    """Return the pid under which each part's processes hang."""
    servers = {"postgres": stack.postgres_pid, "valkey": stack.redis_pid}
    running = {part: process.pid for part, process in stack.processes.items()}
    return {name: pid for name, pid in servers.items() if pid} | running


def stop_workers(stack: Stack) -> None:
    """Stop the workers."""
    for part in stack.workers():
        parts.stop(stack, part, lambda: False)


@contextlib.contextmanager
def _scratch_stack() -> Iterator[Stack]:
    with embedded.scratch_folder() as folder, contextlib.ExitStack() as cleanup:
        stack = Stack(folder, api_url=f"http://127.0.0.1:{ports.free_port()}")
        # In the reverse order, and each also when the one before it was interrupted.
        cleanup.callback(parts.kill_leftovers, folder)
        cleanup.callback(_stop_parts, stack)
        try:
            yield stack
        except StackError as error:
            raise BenchmarkError(f"{error}{_tails(folder / 'logs')}") from error


def _start_servers(stack: Stack) -> None:
    _start_database(stack)
    _start_redis(stack)


def _start_database(stack: Stack) -> None:
    server = embedded.start_postgres(stack.data_dir / "postgres", log=parts.log_of(stack.data_dir, "postgres"))
    stack.database_url, stack.postgres_pid = server.url, server.pid


def _start_redis(stack: Stack) -> None:
    server = embedded.start_valkey(stack.data_dir / "valkey", log=parts.log_of(stack.data_dir, "valkey"))
    stack.redis_url, stack.redis_pid = server.url, server.pid


def _start(
    stack: Stack, part: str, command: str, settings: Mapping[str, str], python: str | Path = sys.executable
) -> None:
    _spawn(stack, part, [str(python), "-P", "-m", *command.split()], settings)


def _spawn(stack: Stack, part: str, line: Sequence[str], settings: Mapping[str, str]) -> None:
    marks = {processes.DATA_DIR_MARK: str(stack.data_dir), processes.PART_MARK: part}
    environment = {**parts.environment(stack), **settings, **marks}
    log = parts.log_of(stack.data_dir, part)
    stack.processes[part] = processes.spawn([*line], environment, parts.ROOT, log)


def _stop_parts(stack: Stack) -> None:
    for part in parts.in_stopping_order(stack):
        parts.stop(stack, part, lambda: False)


def _wait_for_api(stack: Stack) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while not _answers(stack):
        if time.monotonic() > deadline or not stack.is_running("api"):
            raise BenchmarkError("the API of a contender does not answer")
        time.sleep(0.05)


def _answers(stack: Stack) -> bool:
    try:
        http_client.call(f"{stack.api_url}/openapi.json", seconds=5.0)
    except OSError:
        return False
    return True


def _naive_settings(stack: Stack) -> dict[str, str]:
    redis = (stack.redis_url or "").rpartition("/")[0]
    return {
        "NAIVE_DATABASE_URL": _naive_database(stack).replace("postgresql://", "postgresql+asyncpg://"),
        "NAIVE_BROKER_URL": f"{redis}/1",
        "NAIVE_RESULT_URL": f"{redis}/2",
    }


def _naive_database(stack: Stack) -> str:
    return f"{(stack.database_url or '').rpartition('/')[0]}/{_NAIVE_DATABASE}"


async def _create_database(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _tails(logs: Path) -> str:
    """Return the ends of the logs: they are about to be removed."""
    tails = {log.name: [line[:400] for line in files.tail(log, 5)] for log in sorted(logs.glob("*.log"))}
    return "".join(f"\n{name}:\n  " + "\n  ".join(lines) for name, lines in tails.items() if lines)
