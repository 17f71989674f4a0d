"""Brings a stack up: servers, database, the application's processes; only what is missing of them."""

import os
from pathlib import Path

from scripts.stack import (
    clients,
    demo,
    embedded,
    files,
    guide,
    parts,
    ports,
    provision,
    readiness,
    running_settings,
    shutdown,
    stackfile,
    task_modules,
)
from scripts.stack.console import say
from scripts.stack.errors import ChildDiedError, StackError
from scripts.stack.options import UpOptions
from scripts.stack.stackfile import Stack

_USUAL_PORT = 8000
_USUAL_OPERATOR_PORT = 8001


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
    stack.operator_address = _operator_address(stack) if asked.operator else None
    offsets = _start_parts(asked, stack)
    # While the processes are starting, which takes longer.
    if not provision.has_demo(stack):
        provision.make_demo(stack)
        stackfile.save(stack)
    _wait(asked, stack, offsets)
    clients.build(stack)
    guide.build(stack)
    _check_demo(stack)
    stackfile.save(stack)


def _choose_port(asked: UpOptions, stack: Stack) -> int:
    # The port of last time: an exported URL and open pages go on to work.
    known = int(stack.api_url.rpartition(":")[2]) if stack.api_url else _USUAL_PORT
    if stack.is_running("api"):
        if asked.port not in {None, known}:
            message = f"this stack's API runs at {stack.api_url}: scripts/down first, to give it port {asked.port}"
            raise StackError(message)
        return known
    if asked.port is not None:
        return _only(asked.port)
    return _from(known)


def _operator_address(stack: Stack) -> str:
    """Choose where the operator's pages are: where they were, or at the next free port."""
    known = stack.operator_address or f"http://127.0.0.1:{_USUAL_OPERATOR_PORT}"
    if stack.is_running("operator"):
        return known
    first = int(known.rpartition(":")[2]) if stack.processes else _USUAL_OPERATOR_PORT
    # Not the port that the API is about to take.
    taken = int((stack.api_url or "").rpartition(":")[2])
    port = ports.next_free(first)
    return f"http://127.0.0.1:{ports.next_free(port + 1) if port == taken else port}"


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
    running_settings.keep(stack, is_reloading=asked.reload)
    workers = asked.workers or max(1, len(stack.workers("worker")))
    on_loops = _asyncio_workers(asked, stack)
    wanted = parts.names(workers, on_loops, operator=asked.operator)
    if not asked.operator and "operator" in stack.processes:
        parts.stop(stack, "operator", lambda: False)
    missing = [part for part in wanted if not stack.is_running(part)]
    offsets = {part: parts.size_of_log(stack.data_dir, part) for part in missing}
    if missing:
        say(f"Starting {', '.join(missing)} ...")
    else:
        say("All of it runs already.")
    for part in missing:
        parts.start(stack, part)
        # At once: whoever comes after a kill must know it.
        stackfile.save(stack)
    return offsets


def _asyncio_workers(asked: UpOptions, stack: Stack) -> int:
    """Return how many workers for pool='asyncio' are to run: those of before, or one if a task type needs it."""
    loaded = task_modules.load(stack)
    if loaded.fault:
        raise StackError(loaded.fault)
    known = len(stack.workers("asyncio"))
    return max(known, int("asyncio" in loaded.pools)) if asked.asyncio_workers is None else asked.asyncio_workers


def _wait(asked: UpOptions, stack: Stack, offsets: dict[str, int]) -> None:
    """Wait until it is ready; an API that lost the race for its port gets another, unless it was asked for."""
    try:
        readiness.wait(stack, offsets)
    except ChildDiedError:
        if _lost_its_port(stack, offsets, "operator"):
            _restart_operator(stack, offsets)
        elif asked.port is None and _lost_its_port(stack, offsets, "api"):
            _move_api(stack, offsets)
        else:
            raise
        _wait(asked, stack, offsets)


def _lost_its_port(stack: Stack, offsets: dict[str, int], part: str) -> bool:
    """Tell whether a part ended because somebody was quicker to take its port."""
    text = "\n".join(files.tail(parts.log_of(stack.data_dir, part), 20, offsets.get(part, 0)))
    return part in stack.processes and not stack.is_running(part) and "address already in use" in text.lower()


def _move_api(stack: Stack, offsets: dict[str, int]) -> None:
    stack.api_url = f"http://127.0.0.1:{_from(int((stack.api_url or '').rpartition(':')[2]))}"
    offsets["api"] = parts.size_of_log(stack.data_dir, "api")
    parts.start(stack, "api")
    stackfile.save(stack)
    if stack.is_running("operator"):
        # Its links lead to the API.
        parts.stop(stack, "operator", lambda: False)
        _restart_operator(stack, offsets)


def _restart_operator(stack: Stack, offsets: dict[str, int]) -> None:
    stack.operator_address = _operator_address(stack)
    offsets["operator"] = parts.size_of_log(stack.data_dir, "operator")
    parts.start(stack, "operator")
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
