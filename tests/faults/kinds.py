"""The kinds of tasks that the load is made of, and how each may end."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Make = Callable[[random.Random, int], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """One kind: how often, what is submitted, and the statuses in which it may end."""

    weight: int
    make: Make
    ends: frozenset[str]
    cancels_after: float | None = None
    """Seconds after which the client asks for its end."""
    result: Callable[[dict[str, Any]], Any] | None = None
    """What the result of a SUCCESS must be, by the body."""


def _effect(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "faults.effect", "payload": {"seconds": rng.choice((0, 0, 0.02, 0.1)), "value": number}}


def _long(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "faults.effect", "payload": {"seconds": rng.choice((0.5, 1, 1.5)), "value": number}}


def _io(rng: random.Random, number: int) -> dict[str, Any]:
    payload = {"seconds": rng.choice((0, 0, 0.1, 1)), "fail_attempts": rng.choice((0, 0, 0, 1)), "value": number}
    return {"task": "faults.io_effect", "payload": payload}


def _io_long(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "faults.io_effect", "payload": {"seconds": 3, "value": number}}


def _echo(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "echo", "payload": {"n": number, "text": "ü" * rng.randrange(50)}}


def _http(rng: random.Random, number: int) -> dict[str, Any]:
    # The load names the receiver's URL. Some requests are under way for long enough to be met by a fault.
    return {"task": "http_request", "payload": {"url": rng.choice(("called", "called-late")), "json": number}}


def _progress(rng: random.Random, number: int) -> dict[str, Any]:
    # One that its worker took away does not count, one whose child was killed does.
    return {"task": "long_task", "payload": {"seconds": 0.5, "steps": 5, "value": number}}


def _sleep(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "test.sleep", "payload": {"a": 1, "b": 0}}


def _flaky(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "faults.effect", "payload": {"fail_attempts": rng.choice((1, 2)), "value": number}}


def _failing(rng: random.Random, number: int) -> dict[str, Any]:
    return {"task": "test.fails", "payload": {"a": number, "b": 0}}


def _scheduled(rng: random.Random, number: int) -> dict[str, Any]:
    return _effect(rng, number) | {"delay_seconds": round(rng.uniform(0.5, 2), 2)}


def _cancelled_waiting(rng: random.Random, number: int) -> dict[str, Any]:
    return _effect(rng, number) | {"delay_seconds": 600}


def _cancelled_running(rng: random.Random, number: int) -> dict[str, Any]:
    # Deaf to a cancel: its process is killed.
    return {"task": "test.sleep", "payload": {"a": 3, "b": 0}}


def _expiring(rng: random.Random, number: int) -> dict[str, Any]:
    return _effect(rng, number) | {"delay_seconds": 600, "expires_seconds": round(rng.uniform(0.5, 2), 2)}


def _value(body: dict[str, Any]) -> Any:
    return body["payload"]["value"]


_SUCCESS: Final = frozenset({"SUCCESS"})
_FAILURE: Final = frozenset({"FAILURE"})
_REVOKED: Final = frozenset({"REVOKED"})

KINDS: Final[dict[str, Kind]] = {
    "effect": Kind(50, _effect, _SUCCESS, result=_value),
    "long": Kind(6, _long, _SUCCESS, result=_value),
    "io": Kind(16, _io, _SUCCESS, result=_value),
    "echo": Kind(12, _echo, _SUCCESS, result=lambda body: body["payload"]),
    "http": Kind(4, _http, _SUCCESS),
    "progress": Kind(3, _progress, _SUCCESS | _FAILURE),
    "sleep": Kind(3, _sleep, _SUCCESS | _FAILURE),
    "flaky": Kind(8, _flaky, _SUCCESS, result=_value),
    "failing": Kind(4, _failing, _FAILURE),
    "scheduled": Kind(10, _scheduled, _SUCCESS, result=_value),
    "cancelled": Kind(3, _cancelled_waiting, _REVOKED, cancels_after=0.3),
    "killed": Kind(1, _cancelled_running, frozenset({"REVOKED", "SUCCESS", "FAILURE"}), cancels_after=1.0),
    "expiring": Kind(2, _expiring, _REVOKED),
    # The fault's own: submitted by it, not drawn.
    "io_long": Kind(0, _io_long, _SUCCESS, result=_value),
    "poison": Kind(0, _effect, _FAILURE),
    "probe": Kind(0, _effect, _SUCCESS, result=_value),
}


def draw(rng: random.Random) -> str:
    """Draw a kind by weight."""
    return rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
