"""Brings a stack up: servers, database, the application's processes; only what is missing of them."""

import os
from pathlib import Path

from scripts.stack import (
    demo,
    embedded,
    files,
    parts,
    ports,
    provision,
    readiness,
    shutdown,
    stackfile,
)
from scripts.stack.console import say
from scripts.stack.errors import ChildDiedError, StackError
from scripts.stack.options import UpOptions
from scripts.stack.stackfile import Stack

_USUAL_PORT = 8000


def bring_up(asked: UpOptions, data_dir: Path) -> Stack:
    """Start what is missing. The caller holds the folder's lock. What a failed start began is stopped again."""
    stack = stackfile.load(data_dir)
    before = {*stack.living(), *shutdown.living_servers(data_dir)}
    port = _choose_port(asked, stack)
    try:
        _bring_up(asked, stack, port)
    except StackError:
        _undo(stack, before)
        raise
    return stack


def _bring_up(asked: UpOptions, stack: Stack, port: int) -> None:
    _start_servers(stack)
    provision.prepare(stack)
    stack.api_url = f"http://127.0.0.1:{port}"
    offsets = _start_parts(asked, stack)
    # While the processes are starting, which takes longer.
    if not provision.has_demo(stack):
        provision.make_demo(stack)
        stackfile.save(stack)
    _wait(asked, stack, offsets)
    _check_demo(stack)
    stackfile.save(stack)


def _choose_port(asked: UpOptions, stack: Stack) -> int:
    # After scripts/down nobody counts on the port any more; after a kill somebody may.
    known = int((stack.api_url or "").rpartition(":")[2]) if stack.processes and stack.api_url else _USUAL_PORT
    if stack.is_running("api"):
        if asked.port not in {None, known}:
            message = f"this stack's API runs at {stack.api_url}: scripts/down first, to give it port {asked.port}"
            raise StackError(message)
        return known
    if asked.port is not None:
        return _only(asked.port)
    return _from(known)


def _only(port: int) -> int:
    if not ports.is_free(port):
        message = f"port {port} on 127.0.0.1 is taken (or not allowed): choose another with --port, or leave it out"
        raise StackError(message)
    return port


def _from(port: int) -> int:
    chosen = ports.next_free(port)
    if chosen != port:
        say(f"Port {port} is taken; the API gets port {chosen}.")
    return chosen


def _start_servers(stack: Stack) -> None:
    """Start Postgres and Valkey, unless the environment names others."""
    logs = stack.data_dir / "logs"
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    stack.postgres_pid = stack.redis_pid = None
    if not database_url:
        server = embedded.start_postgres(stack.data_dir / "postgres", log=logs / "postgres.log")
        database_url, stack.postgres_pid = server.url, server.pid
    if not redis_url:
        server = embedded.start_valkey(stack.data_dir / "valkey", log=logs / "valkey.log")
        redis_url, stack.redis_pid = server.url, server.pid
    if (database_url, redis_url) != (stack.database_url, stack.redis_url):
        # What still runs talks to servers that are no longer this stack's.
        shutdown.stop_parts(stack)
    stack.database_url, stack.redis_url = database_url, redis_url
    stackfile.save(stack)


def _start_parts(asked: UpOptions, stack: Stack) -> dict[str, int]:
    """Start the processes that are missing; returns where the log of each began."""
    workers = asked.workers or max(1, len(stack.workers("worker")))
    on_loops = len(stack.workers("asyncio")) if asked.asyncio_workers is None else asked.asyncio_workers
    missing = [part for part in parts.names(workers, on_loops) if not stack.is_running(part)]
    offsets = {part: _size(parts.log_of(stack.data_dir, part)) for part in missing}
    if missing:
        say(f"Starting {', '.join(missing)} ...")
    else:
        say("All of it runs already. What runs does not see a new setting, such as TASK_MODULES: scripts/down first.")
    for part in missing:
        parts.start(stack, part)
        # At once: whoever comes after a kill must know it.
        stackfile.save(stack)
    return offsets


def _wait(asked: UpOptions, stack: Stack, offsets: dict[str, int]) -> None:
    """Wait until it is ready; an API that lost the race for its port gets another, unless it was asked for."""
    try:
        readiness.wait(stack, offsets)
    except ChildDiedError:
        if asked.port is not None or not _lost_its_port(stack, offsets):
            raise
        _move_api(stack, offsets)
        _wait(asked, stack, offsets)


def _lost_its_port(stack: Stack, offsets: dict[str, int]) -> bool:
    """Tell whether the API ended because somebody was quicker to take the port."""
    text = "\n".join(files.tail(parts.log_of(stack.data_dir, "api"), 20, offsets.get("api", 0)))
    return not stack.is_running("api") and "address already in use" in text.lower()


def _move_api(stack: Stack, offsets: dict[str, int]) -> None:
    stack.api_url = f"http://127.0.0.1:{_from(int((stack.api_url or '').rpartition(':')[2]))}"
    offsets["api"] = _size(parts.log_of(stack.data_dir, "api"))
    parts.start(stack, "api")
    stackfile.save(stack)


def _check_demo(stack: Stack) -> None:
    """Make the demo tenant again when the database no longer knows it."""
    try:
        demo.check_key(stack)
    except demo.KeyRefusedError:
        provision.make_demo(stack)


def _undo(stack: Stack, before: set[str]) -> None:
    for part in parts.in_stopping_order(stack):
        if part not in before:
            parts.stop(stack, part, lambda: False)
    shutdown.stop_servers(stack, keep=before)
    stackfile.save(stack)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
