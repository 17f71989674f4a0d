"""What this process can do now, known before anybody asks: two probes in the background, and an answer from memory."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.broker.redis_check import RedisCheck
from app.core import schema
from app.core.errors import Unavailable
from app.core.logging import redact
from app.core.seldom import Seldom
from app.db import Database
from app.db.timelines import ServerRefused
from app.monitoring import store
from app.monitoring.store import Found

_log = logging.getLogger(__name__)
_seldom = Seldom(_log)

# A look ends within its timeout, and the next one begins after the pause: so what is known is at most 2 s old.
_PAUSE: Final = 0.6
_TIMEOUT: Final = 1.3
_HANGS: Final = 4.0
"""Seconds after which a probe that has said nothing counts as failing: the event loop is blocked, or it has ended."""
_FIRST_LOOK: Final = 1.0

_POSTGRES_HANGS: Final = "Postgres does not answer in time"
_READ_ONLY: Final = (
    "Postgres is read-only: it was demoted, or default_transaction_read_only is on. Name the primary in DATABASE_URL,"
    " or make this one writable"
)
_REDIS_HANGS: Final = "Redis is away: it cannot be reached, or does not answer in time"
_NOT_HEARD: Final = "Redis's messages are not heard: its connection was lost, or SUBSCRIBE is denied"
_NO_DISPATCHER: Final = "no dispatcher leads: start python -m app.dispatch"
_NO_WORKER: Final = "no worker lives: start one"


@dataclass
class Look:
    """What a probe has found last."""

    faults: list[str] = field(default_factory=lambda: ["this process has just started, and has not looked yet"])
    at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """How many seconds ago it was."""
        return time.monotonic() - self.at


@dataclass(frozen=True)
class State:
    """What is known now."""

    faults: list[str]
    """Why no call can be answered; empty when they can."""
    reasons: list[str]
    """What else is wrong: tasks are accepted, and some of them wait."""
    found: Found
    age: float
    """Seconds since the older of the two looks."""


class ReadinessProbe:
    """Looks at Postgres and at Redis, each for itself, so that neither waits for the other."""

    def __init__(
        self, database: Database, redis: RedisCheck, *, others: Sequence[Database], hears: Callable[[], bool]
    ) -> None:
        """``database`` is the probe's own; ``others`` are left when Postgres turns out to be read-only.

        ``hears`` tells whether the subscription to Redis is up, which notices first that Redis has gone.
        """
        self._database = database
        self._redis_check = redis
        self._others = (database, *others)
        self._hears = hears
        self._postgres, self._redis = Look(), Look()
        self._found = Found(None, None, {}, None)
        self._first = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look; return after the first look at Postgres, or after a second."""
        self._tasks = [
            asyncio.create_task(self._again_and_again(self._look_at_postgres), name="probe-postgres"),
            asyncio.create_task(self._again_and_again(self._look_at_redis), name="probe-redis"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK):
                await self._first.wait()

    async def close(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_TIMEOUT)
        await self._database.close()

    def state(self) -> State:
        """Return what is known; asks nobody."""
        faults = [_POSTGRES_HANGS] if self._postgres.age > _HANGS else self._postgres.faults
        reasons = [_REDIS_HANGS] if self._redis.age > _HANGS else list(self._redis.faults)
        if not reasons and not self._hears():
            reasons.append(_NOT_HEARD)
        if not faults:
            if self._found.round_age is None:
                reasons.append(_NO_DISPATCHER)
            if not self._found.workers:
                reasons.append(_NO_WORKER)
        return State(faults, reasons, self._found, max(self._postgres.age, self._redis.age))

    async def _again_and_again(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except Exception:  # noqa: BLE001 whatever it was, it is looked again
                _log.exception("a look at the servers has failed")
            self._first.set()
            await asyncio.sleep(_PAUSE)

    async def _look_at_postgres(self) -> None:
        found = Found(None, None, {}, None)
        try:
            async with asyncio.timeout(_TIMEOUT), self._database.statement() as connection:
                found = await store.look_any_tenant(connection)
            faults = _faults(found)
        except TimeoutError:
            faults = [_POSTGRES_HANGS]
        except Unavailable as error:
            faults = [_why(error.__cause__)]
        except asyncpg.PostgresError as error:
            # Anybody may read this: the text stays in the server's log.
            faults = [f"Postgres answers with an error ({type(error).__name__}): see its log"]
        self._found, self._postgres = found, Look(faults)
        if found.place is not None and (found.place.is_read_only or found.place.timeline is None):
            # The next connections may lead to another server, which is the primary by now.
            for database in self._others:
                await database.expire()
        for fault in faults:
            _seldom.warn("not ready", reason=fault)

    async def _look_at_redis(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                faults = await self._redis_check.faults()
        except TimeoutError:
            faults = [_REDIS_HANGS]
        faults = [redact(fault) for fault in faults]
        self._redis = Look(faults)
        for fault in faults:
            _seldom.warn("degraded", reason=fault)


def _faults(found: Found) -> list[str]:
    place = found.place
    faults = [_READ_ONLY] if place is not None and (place.is_read_only or place.timeline is None) else []
    if wrong := schema.fault(found.schema_version):
        faults.append(wrong)
    return faults


def _why(error: BaseException | None) -> str:
    if isinstance(error, ServerRefused):
        return str(error)
    return f"Postgres is away ({type(error).__name__})"
