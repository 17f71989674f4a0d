"""Probe Postgres and Redis in the background, so that the readiness of this process is answered from memory."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.broker.redis_check import RedisCheck
from app.broker.ring import HTTP
from app.core import schema
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.core.logging import redact
from app.db import Database
from app.db.timelines import ServerRefused
from app.monitoring import store
from app.monitoring.store import Found

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# A look ends within its timeout, and the next one begins after the interval, so the answer is at most 2 s old.
_LOOK_INTERVAL: Final = 0.6
_LOOK_TIMEOUT: Final = 1.3
_SILENCE_TIMEOUT: Final = 4.0
"""Seconds without a look after which a probe counts as failing: the event loop is blocked, or the probe has ended."""
# Seconds that the start of the api waits for the first look, so that its first answer is not "not checked yet".
_FIRST_LOOK_TIMEOUT: Final = 1.0

_POSTGRES_HANGS: Final = "Postgres does not answer in time"
_READ_ONLY: Final = (
    "Postgres is read-only: it was demoted, or default_transaction_read_only is on. Name the primary in DATABASE_URL,"
    " or make this one writable"
)
_REDIS_HANGS: Final = "Redis is away: it cannot be reached, or does not answer in time"
_NOT_HEARD: Final = "Redis messages do not arrive: the connection was lost, or SUBSCRIBE is denied"
_NO_DISPATCHER: Final = "no dispatcher leads: start python -m app.dispatch"
_NO_WORKER: Final = "no worker is alive: start one"


@dataclass
class Look:
    """The latest result of a probe."""

    faults: list[str] = field(default_factory=lambda: ["this process has just started, and has not checked yet"])
    at: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """Duration of the look."""

    @property
    def age(self) -> float:
        """Age of the result in seconds."""
        return time.monotonic() - self.at


@dataclass(frozen=True)
class State:
    """The readiness of this process."""

    faults: list[str]
    """Reasons why no call can be answered; empty when calls can be answered."""
    reasons: list[str]
    """Other problems: tasks are accepted, but some of them wait."""
    found: Found
    age: float
    """Seconds since the older of the two looks."""


class ReadinessProbe:
    """Probes Postgres and Redis in separate loops, so that neither waits for the other."""

    def __init__(
        self, database: Database, redis: RedisCheck, *, others: Sequence[Database], is_subscribed: Callable[[], bool]
    ) -> None:
        """``database`` belongs to the probe; connections of ``others`` are closed when Postgres is found read-only.

        ``is_subscribed`` returns whether the subscription to Redis is up. It notices a lost Redis first.
        """
        self._database = database
        self._redis_check = redis
        self._others = (database, *others)
        self._is_subscribed = is_subscribed
        self._postgres, self._redis = Look(), Look()
        self._found = Found(None, None, {}, None)
        self._first = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start both loops, and return after the first look at Postgres, or after a second."""
        self._tasks = [
            asyncio.create_task(self._keep_looking(self._look_at_postgres), name="probe-postgres"),
            asyncio.create_task(self._keep_looking(self._look_at_redis), name="probe-redis"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_TIMEOUT):
                await self._first.wait()

    async def close(self) -> None:
        """Stop both loops."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LOOK_TIMEOUT)
        await self._database.close()

    def state(self) -> State:
        """Return the current state from memory, without asking a server."""
        faults = [_POSTGRES_HANGS] if self._postgres.age > _SILENCE_TIMEOUT else self._postgres.faults
        reasons = [_REDIS_HANGS] if self._redis.age > _SILENCE_TIMEOUT else list(self._redis.faults)
        # Only if the probe itself found nothing wrong: otherwise that is the cause, and the better explanation.
        if not reasons and not self._is_subscribed():
            reasons.append(_NOT_HEARD)
        # Without Postgres nothing is known about dispatchers and workers.
        if not faults:
            if self._found.round_age is None:
                reasons.append(_NO_DISPATCHER)
            # The worker of http_request runs nothing else.
            if not self._found.workers.keys() - {HTTP}:
                reasons.append(_NO_WORKER)
        return State(faults, reasons, self._found, max(self._postgres.age, self._redis.age))

    @property
    def postgres(self) -> Look:
        """The latest look at Postgres."""
        return self._postgres

    @property
    def redis(self) -> Look:
        """The latest look at Redis."""
        return self._redis

    async def _keep_looking(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except Exception:  # noqa: BLE001 after any error the next look follows
                _log.exception("a look at the servers has failed")
            # After an error too: the start of the process must not wait for a server that is away.
            self._first.set()
            await asyncio.sleep(_LOOK_INTERVAL)

    async def _look_at_postgres(self) -> None:
        found, began = Found(None, None, {}, None), time.monotonic()
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT), self._database.statement() as connection:
                found = await store.look_any_tenant(connection)
            faults = _faults(found)
        except TimeoutError:
            faults = [_POSTGRES_HANGS]
        except Unavailable as error:
            faults = [_why(error.__cause__)]
        except asyncpg.PostgresError as error:
            # Anybody can read this answer, so the text of the error stays in the log of the server.
            faults = [f"Postgres answers with an error ({type(error).__name__}): see its log"]
        self._found, self._postgres = found, Look(faults, seconds=time.monotonic() - began)
        if found.place is not None and (found.place.is_read_only or found.place.timeline is None):
            # DATABASE_URL may name several hosts, and another one may be the primary by now: connect again.
            for database in self._others:
                await database.expire()
        for fault in faults:
            _log_limiter.warn("not ready", reason=fault)

    async def _look_at_redis(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT):
                faults = await self._redis_check.faults()
        except TimeoutError:
            faults = [_REDIS_HANGS]
        # An error of Redis may quote a URL with its password, and anybody can read /readyz.
        faults = [redact(fault) for fault in faults]
        self._redis = Look(faults)
        for fault in faults:
            _log_limiter.warn("degraded", reason=fault)


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
