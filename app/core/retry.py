"""Repeat a call until a server is available again."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sized
from typing import Final, TypeVar

T = TypeVar("T")
_Found = TypeVar("_Found", bound=Sized)

PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two calls. The last one repeats. A fail-over takes only seconds, so the first ones are short."""


async def until_back(
    call: Callable[[], Awaitable[T]],
    errors: type[Exception] | tuple[type[Exception], ...],
    warn: Callable[[Exception, float], None],
    *,
    until: float = math.inf,
) -> T:
    """Repeat the call while it raises one of ``errors``; return its first answer.

    ``warn`` is called with each error and the seconds until the next call. ``until`` is a time of ``time.monotonic()``:
    if the next call would come after it, the error is raised.
    """
    tries = 0
    while True:
        try:
            return await call()
        except errors as error:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            warn(error, pause)
            if time.monotonic() + pause > until:
                raise
            await asyncio.sleep(pause)
            tries += 1


async def until_found(
    look: Callable[[], Awaitable[_Found]],
    errors: type[Exception] | tuple[type[Exception], ...],
    *,
    interval: float,
    seconds: float,
) -> _Found | None:
    """Look every ``interval`` seconds until something is found; return it.

    One of ``errors`` means that the server is away. Returns None when nothing was found for ``seconds`` without an
    error: the time while the server is away does not count.
    """
    answered_at: float | None = None
    while answered_at is None or time.monotonic() < answered_at + seconds:
        try:
            if found := await look():
                return found
            answered_at = answered_at or time.monotonic()
        except errors:
            # The time of an outage says nothing about what is looked for, so the wait begins again.
            answered_at = None
        await asyncio.sleep(interval)
    return None
