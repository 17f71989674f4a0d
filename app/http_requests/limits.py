"""Limit how many requests are under way to one host, and spread those that have to wait."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

MAX_PER_HOST: Final = 4
"""Requests to one host at once, over all tenants, in one process."""
MAX_WAIT: Final = 1.0
"""Seconds for which a request waits for a place of its host. It keeps a slot meanwhile, so it is short."""
_MAX_WAITING_PER_HOST: Final = 16
MIN_DELAY: Final = 0.5
MAX_DELAY: Final = 300.0
_MAX_KEYS: Final = 10_000
_FIRST_GUESS: Final = 1.0
# The part of an average that a new duration makes.
_NEW_PART: Final = 0.3


class HostConcurrency:
    """The requests of one process that are under way, by host, and those that wait a moment for one of them to end."""

    def __init__(self, max_waiting: int) -> None:
        """``max_waiting`` requests wait at most, over all hosts."""
        self._max_waiting = max_waiting
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seconds: OrderedDict[str, float] = OrderedDict()

    async def take(self, host: str) -> bool:
        """Take a place for a request to a host; return False when it has none within a second.

        So a host that answers fast is kept busy, and a slow one does not keep slots that other hosts need.
        """
        if self._running[host] < MAX_PER_HOST:
            self._running[host] += 1
            return True
        waiting = self._waiting.setdefault(host, deque())
        if sum(map(len, self._waiting.values())) >= self._max_waiting or not self._is_soon(host, len(waiting)):
            self._forget(host)
            return False
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(place)
        return await self._wait(host, place)

    async def _wait(self, host: str, place: "asyncio.Future[None]") -> bool:
        try:
            async with asyncio.timeout(MAX_WAIT):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                # It was given the place at this very moment.
                self.give_back(host, None)
            elif place in self._waiting.get(host, ()):
                self._waiting[host].remove(place)
                self._forget(host)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give_back(self, host: str, seconds: float | None) -> None:
        """Give a place back after a request that took so many seconds; None if it was not sent."""
        if seconds is not None:
            # Taken out and put in again, so that the host becomes the one that was used last.
            known = self._seconds.pop(host, seconds)
            self._seconds[host] = known + (seconds - known) * _NEW_PART
            _bound(self._seconds)
        while waiting := self._waiting.get(host):
            place = waiting.popleft()
            self._forget(host)
            # One whose second has just ended is still in the line. A place that was given to it would be lost.
            if not place.done():
                # The next one has the place now.
                place.set_result(None)
                return
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]

    def interval(self, host: str) -> float:
        """Return in how many seconds a place of the host becomes free, on average."""
        return self._seconds.get(host, _FIRST_GUESS) / MAX_PER_HOST

    def _is_soon(self, host: str, before: int) -> bool:
        return before < _MAX_WAITING_PER_HOST and (before + 1) * self.interval(host) <= MAX_WAIT

    def _forget(self, host: str) -> None:
        if not self._waiting[host]:
            del self._waiting[host]


class Spread:
    """Gives each of those that have to wait a time of its own, so that they do not all come back at once.

    Otherwise ten thousand tasks over a rate of five a second would be claimed again and again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` returns the time in seconds."""
        self._clock = clock
        self._next: OrderedDict[Hashable, float] = OrderedDict()

    def delay(self, key: Hashable, interval: float) -> float:
        """Return the seconds that the next one with this key waits: ``interval`` longer than the one before it."""
        now = self._clock()
        after_the_last = self._next.pop(key, now) + interval
        at = min(max(after_the_last, now + interval, now + MIN_DELAY), now + MAX_DELAY)
        self._next[key] = at
        _bound(self._next)
        return at - now


def _bound(known: OrderedDict[str, float] | OrderedDict[Hashable, float]) -> None:
    # Tenants name any number of hosts. The one that was used longest ago is forgotten first.
    if len(known) > _MAX_KEYS:
        known.popitem(last=False)
