"""Read large bodies in threads, a few at a time, so that other requests are answered meanwhile.

Threads share the interpreter's lock with the event loop, so the number of threads does not limit the CPU time of a
tenant. Therefore the next large body of a tenant waits for a multiple of the time that its last one took. The usual
time for a task is not counted, so that ordinary batches do not wait.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from time import thread_time
from typing import Final, TypeVar
from uuid import UUID

from app.core.errors import TooManyLargeBodies, Unavailable
from app.http.strict_json import marks

T = TypeVar("T")

LARGE_BYTES: Final = 64 * 1024
"""Bytes. A body whose headers announce more is not received before there is room for it."""
# About a millisecond's work on the event loop.
_LARGE_MARKS: Final = 1_000
# A body with fewer bytes cannot have more marks than that, so they are not counted.
_SMALL_BYTES: Final = 1_000
# Threads, of all tenants together. One tenant cannot use the last one.
_MAX_RUNNING: Final = 3
_MAX_RUNNING_OF_ONE: Final = 2
# Bytes of bodies that are in memory or being received.
_MAX_RESERVED_OF_ONE: Final = 16 * 1024 * 1024
_MAX_RESERVED: Final = 64 * 1024 * 1024
_MAX_WAITING_OF_ONE: Final = 64
# A Content-Length with this many digits counts as unlimited, and is not converted.
_MAX_DIGITS: Final = 12
_WAIT_SECONDS: Final = 1.0
# Seconds of pause for each second of reading: one tenant's large bodies use at most a quarter of the time.
_PAUSE_FOR_EACH_SECOND: Final = 3.0
# Invalid bodies cost the most for each byte, and a correct client does not send many of them.
_PAUSE_FOR_REFUSED: Final = 12.0
# Seconds. A tenant with a very expensive body must not be locked out for long.
_MAX_PAUSE: Final = 5.0
_FREE_SECONDS_FOR_TASK: Final = 50e-6
# How long a thread keeps the interpreter's lock while the event loop waits for it; Python's own value is 5 ms.
_SWITCH_SECONDS: Final = 0.0005
# Most bodies are small: they all share one context manager that does nothing.
_SMALL: Final = nullcontext()


@dataclass(slots=True)
class _TenantBodies:
    """The large bodies of one tenant."""

    reserved: int = 0
    """Bytes of the tenant's bodies that are being received or read."""
    running: int = 0
    free_at: float = 0.0
    """Earliest start of the tenant's next body, in seconds of the event loop's clock."""
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)


class LargeBodies:
    """Limits and reads the large bodies of one api process."""

    def __init__(self) -> None:
        """Prepare the threads, which start when they are first needed, and set the interpreter's switch interval."""
        self._threads = ThreadPoolExecutor(_MAX_RUNNING, thread_name_prefix="large-bodies")
        # In the order in which tenants are served: a tenant that was served moves to the end.
        self._tenants: dict[UUID, _TenantBodies] = {}
        self._reserved = 0
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None
        sys.setswitchinterval(_SWITCH_SECONDS)

    def close(self) -> None:
        """Accept no more bodies, and cancel those that wait for a thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def receiving(
        self, tenant_id: UUID, headers: "list[tuple[bytes, bytes]]", max_bytes: int
    ) -> AbstractContextManager[None]:
        """Reserve memory for the body that these headers announce, until the context ends. A small body needs none.

        ``max_bytes`` is the largest body that the operation takes. Raises ``TooManyLargeBodies`` if the tenant would
        exceed its bound of 16 MiB, ``Unavailable`` if the process would exceed its bound of 64 MiB.
        """
        size = _announced(headers)
        return _SMALL if size <= LARGE_BYTES else self._room(tenant_id, min(size, max_bytes))

    @contextmanager
    def _room(self, tenant_id: UUID, size: int) -> Iterator[None]:
        tenant = self._tenant(tenant_id)
        if tenant.reserved + size > _MAX_RESERVED_OF_ONE:
            raise _too_many(1.0)
        if self._reserved + size > _MAX_RESERVED:
            raise Unavailable
        tenant.reserved += size
        self._reserved += size
        try:
            yield
        finally:
            tenant.reserved -= size
            self._reserved -= size
            self._forget_idle(tenant_id)

    async def read(self, tenant_id: UUID, raw: bytes, work: Callable[[], T], count: Callable[[T], int]) -> T:
        """Call ``work``, which reads the body ``raw``, and return its result. A large body waits for a thread.

        ``count`` returns the number of tasks in the result. Raises the errors of ``work``, and ``TooManyLargeBodies``
        if no thread was free within a second.
        """
        if not is_large(raw):
            return work()
        await self._wait(tenant_id)
        running = self._threads.submit(_timed, work)
        # The caller may be cancelled earlier, but the thread stays busy until its work is done.
        loop = asyncio.get_running_loop()
        ended = partial(self._ended, tenant_id, count)
        running.add_done_callback(lambda done: loop.call_soon_threadsafe(ended, done))
        found, error, _ = await asyncio.wrap_future(running)
        if error is not None:
            raise error
        return found  # type: ignore[return-value]  # it is None only with an error

    async def _wait(self, tenant_id: UUID) -> None:
        tenant, loop = self._tenant(tenant_id), asyncio.get_running_loop()
        if len(tenant.waiting) >= _MAX_WAITING_OF_ONE:
            raise self._refusal(tenant)
        place = loop.create_future()
        tenant.waiting.append(place)
        self._serve()
        deadline = loop.call_later(_WAIT_SECONDS, self._give_up, tenant, place)
        try:
            await place
        except asyncio.CancelledError:
            # The thread was granted at the same moment, so it must be given back.
            if place.done() and not place.cancelled() and not place.exception():
                self._leave(tenant_id, tenant)
            raise
        finally:
            deadline.cancel()

    def _give_up(self, tenant: _TenantBodies, place: "asyncio.Future[None]") -> None:
        if not place.done():
            place.set_exception(self._refusal(tenant))

    def _refusal(self, tenant: _TenantBodies) -> TooManyLargeBodies:
        return _too_many(tenant.free_at - asyncio.get_running_loop().time())

    def _serve(self) -> None:
        """Start waiting bodies, at most one of each tenant, so that no tenant blocks the others."""
        now = asyncio.get_running_loop().time()
        next_at = [self._serve_one(tenant_id, now) for tenant_id in list(self._tenants)]
        later = [at for at in next_at if at > now]
        if self._timer is not None:
            self._timer.cancel()
        # No other event happens when a pause ends, so a timer serves the tenant then.
        self._timer = asyncio.get_running_loop().call_at(min(later), self._serve) if later else None

    def _serve_one(self, tenant_id: UUID, now: float) -> float:
        """Start a tenant's next body if it is allowed. Return the loop time at which its pause ends, or 0."""
        tenant = self._tenants[tenant_id]
        while tenant.waiting and tenant.waiting[0].done():
            tenant.waiting.popleft()
        if not tenant.waiting:
            self._forget_idle(tenant_id)
            return 0.0
        if tenant.free_at > now:
            return tenant.free_at
        if self._running < _MAX_RUNNING and tenant.running < _MAX_RUNNING_OF_ONE:
            tenant.running += 1
            self._running += 1
            tenant.waiting.popleft().set_result(None)
            # At the end now: the other tenants come first the next time.
            self._tenants[tenant_id] = self._tenants.pop(tenant_id)
        return 0.0

    def _ended(
        self, tenant_id: UUID, count: Callable[[T], int], done: "Future[tuple[T | None, Exception | None, float]]"
    ) -> None:
        tenant = self._tenant(tenant_id)
        if not done.cancelled():
            found, error, seconds = done.result()
            pause = _pause(seconds, 0 if found is None else count(found), is_refused=error is not None)
            now = asyncio.get_running_loop().time()
            tenant.free_at = min(max(tenant.free_at, now) + pause, now + _MAX_PAUSE)
        self._leave(tenant_id, tenant)

    def _leave(self, tenant_id: UUID, tenant: _TenantBodies) -> None:
        tenant.running -= 1
        self._running -= 1
        self._forget_idle(tenant_id)
        self._serve()

    def _tenant(self, tenant_id: UUID) -> _TenantBodies:
        return self._tenants.setdefault(tenant_id, _TenantBodies())

    def _forget_idle(self, tenant_id: UUID) -> None:
        # Only tenants with a body or a pause are kept, so that memory does not grow with the number of tenants.
        tenant = self._tenants.get(tenant_id)
        is_busy = tenant and (tenant.reserved or tenant.running or tenant.waiting)
        if tenant and not is_busy and tenant.free_at <= asyncio.get_running_loop().time():
            del self._tenants[tenant_id]


def is_large(raw: bytes) -> bool:
    """Return whether reading a body takes more than about a millisecond."""
    return len(raw) > _SMALL_BYTES and (len(raw) > LARGE_BYTES or marks(raw) > _LARGE_MARKS)


def _announced(headers: "list[tuple[bytes, bytes]]") -> int:
    """Return how many bytes the body may have. A body without a usable Content-Length counts as unlimited."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and len(value) < _MAX_DIGITS:
            return int(value)
        if name in {b"content-length", b"transfer-encoding"}:
            return sys.maxsize
    return 0


def _pause(seconds: float, tasks: int, *, is_refused: bool) -> float:
    excess = seconds - tasks * _FREE_SECONDS_FOR_TASK
    return max(0.0, excess) * (_PAUSE_FOR_REFUSED if is_refused else _PAUSE_FOR_EACH_SECOND)


def _too_many(seconds: float) -> TooManyLargeBodies:
    return TooManyLargeBodies(
        "You send too many large bodies at once. Wait as long as Retry-After says, or send smaller ones.",
        headers={"Retry-After": str(max(1, ceil(seconds)))},
    )


def _timed(work: Callable[[], T]) -> tuple[T | None, Exception | None, float]:
    """Run ``work`` in a thread. Return its result, its error, and the CPU seconds that it took."""
    # CPU time and not elapsed time: a thread that waits for the interpreter's lock costs its tenant nothing.
    began = thread_time()
    try:
        return work(), None, thread_time() - began
    except Exception as error:  # noqa: BLE001 the waiting coroutine raises it
        # Its frames refer to the parsed body, which would then be freed on the event loop and block it.
        error.__traceback__ = error.__context__ = None
        return None, error, thread_time() - began
