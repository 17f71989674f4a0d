"""The floods: what each sends, and who sends it. A new one is one entry of ``ALL``."""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from scripts.benchmark import flood_history
from scripts.benchmark.accounts import Account
from scripts.stack.stackfile import Stack

Requests: TypeAlias = Callable[[str], Sequence[bytes]]
"""Returns the requests that one connection sends in turn, for a tenant's key."""

_LATER: Final = 3_600
_JSON: Final = "Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Flood:
    """One flood. Its sender asks again as soon as it is answered, unless there is a ``rate``."""

    name: str
    requests: Requests
    plan: str | None = "free"
    """Of the tenant that sends it; None: nobody, who has no key."""
    connections: int = 12
    rate: float | None = None
    """Requests a second of all connections together."""
    prepare: Callable[[Stack, Account], None] | None = None
    """Called once before it begins: to fill a table, for instance."""
    reads_answers: bool = True
    """Whether the sender takes what it is answered; one that does not sends one request on each connection."""


def request(method: str, path: str, key: str, body: bytes = b"", head: str = "") -> bytes:
    """Return a request as it is sent."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}{head}{length}\r\n".encode() + body


def post(path: str, body: object, key: str = "", head: str = "") -> bytes:
    """Return a request with a JSON body, which may be given as bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return request("POST", path, key, raw, _JSON + head)


def unknown_members(size: int, first: str = "") -> bytes:
    """Return an object of about so many bytes, of short members that no operation knows."""
    members, length = [first] if first else [], len(first)
    while length < size - 16:
        members.append(f'"x{len(members):x}":1')
        length += len(members[-1]) + 1
    return ("{" + ",".join(members) + "}").encode()


def _submit_unknown(key: str) -> Sequence[bytes]:
    return [post("/api/tasks/submit", unknown_members(255 * 1024), key)]


def _batch_unknown(key: str) -> Sequence[bytes]:
    return [post("/api/tasks/batch", unknown_members(1023 * 1024, '"tasks":[{}]'), key)]


def _empty_objects(key: str) -> Sequence[bytes]:
    payload = b"[" + b",".join([b"{}"] * 87_000) + b"]"
    body = b'{"task":"echo","delay_seconds":%d,"payload":%b}' % (_LATER, payload)
    return [post("/api/tasks/submit", body, key)]


def _unknown_payloads(key: str) -> Sequence[bytes]:
    payload = {f"x{number}": 1 for number in range(95)}
    tasks = [{"task": "long_task", "payload": payload, "delay_seconds": _LATER}] * 1_000
    return [post("/api/tasks/batch", {"tasks": tasks}, key)]


def _replays(key: str) -> Sequence[bytes]:
    body = {"task": "echo", "payload": 1, "delay_seconds": _LATER}
    return [post("/api/tasks/submit", body, key, f"Idempotency-Key: {secrets.token_hex(8)}\r\n")]


def _batch_replays(key: str) -> Sequence[bytes]:
    tasks = [{"task": "echo", "payload": "x" * 850, "delay_seconds": _LATER}] * 1_000
    return [post("/api/tasks/batch", {"tasks": tasks}, key, f"Idempotency-Key: {secrets.token_hex(8)}\r\n")]


def _batches(key: str) -> Sequence[bytes]:
    return [post("/api/tasks/batch", {"tasks": [{"task": "echo", "payload": 1, "delay_seconds": _LATER}] * 1_000}, key)]


def _login_unknown(_: str) -> Sequence[bytes]:
    return [post("/api/auth/login", unknown_members(255 * 1024, '"email":"x"'))]


def _taken_address(key: str) -> Sequence[bytes]:
    return [post("/api/members", {"email": "taken@example.com", "role": "viewer", "password": "x" * 12}, key)]


def _document(_: str) -> Sequence[bytes]:
    return [request("GET", "/openapi.json", "")]


def _forged_keys(_: str) -> Sequence[bytes]:
    return [request("GET", "/api/tasks", f"tq_live_{secrets.token_hex(8)}_{secrets.token_hex(20)}") for _ in range(200)]


def _lists_that_find_nothing(key: str) -> Sequence[bytes]:
    filters = ("status=FAILURE", "task=long_task", "tag=none", "status=REVOKED&tag=none")
    return [request("GET", f"/api/tasks?{wanted}", key) for wanted in filters]


def _events_that_are_not_there(key: str) -> Sequence[bytes]:
    return [request("GET", "/api/audit?action=no.such", key)]


def _lists(key: str) -> Sequence[bytes]:
    return [request("GET", "/api/tasks?limit=100", key)]


def _whole_tasks(key: str) -> Sequence[bytes]:
    return [request("GET", f"/api/tasks/{flood_history.large_task_id(key)}", key)]


def _results(key: str) -> Sequence[bytes]:
    return [request("GET", f"/api/tasks/{flood_history.large_task_id(key)}/result", key)]


def _large_answers(key: str) -> Sequence[bytes]:
    # The kernel holds some megabytes for each connection: the process holds what comes after them.
    return [_whole_tasks(key)[0] * 40]


ALL: Final[tuple[Flood, ...]] = (
    Flood("login: unknown members", _login_unknown, plan=None, connections=24),
    Flood("submit: 256 KiB of unknown members", _submit_unknown, connections=24),
    Flood("submit: 256 KiB of unknown members, no rate", _submit_unknown, plan="enterprise"),
    Flood("batch: 1 MiB of unknown members", _batch_unknown),
    Flood("batch: 1 MiB of unknown members, no rate", _batch_unknown, plan="enterprise"),
    Flood("submit: a payload of 87,000 {}", _empty_objects),
    Flood("submit: a payload of 87,000 {}, no rate", _empty_objects, plan="enterprise"),
    Flood("batch: 1,000 of 95 unknown payload members", _unknown_payloads),
    Flood("batch: 1,000 of 95 unknown payload members, no rate", _unknown_payloads, plan="enterprise"),
    Flood("replays", _replays, connections=6),
    Flood("replays of a batch", _batch_replays, plan="pro", connections=6),
    Flood("batches of 1,000, 14 a second", _batches, plan="enterprise", connections=4, rate=14),
    Flood("members with a taken address", _taken_address, plan="pro", connections=60),
    Flood("openapi.json, 400 a second", _document, plan=None, connections=8, rate=400),
    Flood("forged keys, 2,000 a second", _forged_keys, plan=None, connections=16, rate=2_000),
    Flood(
        "lists that find nothing in 2.4 million tasks",
        _lists_that_find_nothing,
        plan="pro",
        prepare=flood_history.many_tasks,
    ),
    Flood(
        "lists that find nothing in 2.4 million tasks, no rate",
        _lists_that_find_nothing,
        plan="enterprise",
        prepare=flood_history.many_tasks,
    ),
    Flood(
        "audit: lists that find nothing, no rate",
        _events_that_are_not_there,
        plan="enterprise",
        prepare=flood_history.many_events,
    ),
    Flood(
        "lists of 100 tasks, no rate",
        _lists,
        plan="enterprise",
        prepare=flood_history.some_tasks,
    ),
    Flood(
        "tasks of 250 KB, no rate",
        _whole_tasks,
        plan="enterprise",
        connections=24,
        prepare=flood_history.a_large_task,
    ),
    Flood(
        "results of 250 KB, no rate",
        _results,
        plan="enterprise",
        connections=24,
        prepare=flood_history.a_large_task,
    ),
    Flood(
        "unread: 40 answers of 250 KB on each of 120 connections",
        _large_answers,
        plan="enterprise",
        connections=120,
        prepare=flood_history.a_large_task,
        reads_answers=False,
    ),
)


def chosen(words: Sequence[str]) -> tuple[Flood, ...]:
    """Return the floods whose name begins with one of the words; all of them without a word."""
    return tuple(flood for flood in ALL if not words or any(map(partial(str.startswith, flood.name), words)))
