"""Repeat a call until a server is available again."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

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
