"""Trying again until a server is back."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two tries; the last one repeats. A fail-over takes seconds, so the first ones are short."""


async def until_back(
    call: Callable[[], Awaitable[T]],
    errors: type[Exception] | tuple[type[Exception], ...],
    warn: Callable[[Exception, float], None],
    *,
    until: float = math.inf,
) -> T:
    """Call again and again while one of ``errors`` is raised, and return the first answer.

    ``warn`` is called with each error and the seconds until the next try. ``until`` is a moment of
    ``time.monotonic()``: where the next try would come after it, the error is raised.
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
