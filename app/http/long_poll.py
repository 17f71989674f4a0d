"""Let a request wait for something to happen, until its time is over or its client has gone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeVar

Found = TypeVar("Found")

# Seconds. Many waits end earlier. To listen for the client's disconnect costs CPU time, so it begins only then.
_FIRST_WAIT: Final = 0.25
# The polls that end with the server, each as the function that ends it.
_open: Final[set[Callable[[], object]]] = set()


@contextmanager
def open_until_end(end: Callable[[], object]) -> Iterator[None]:
    """Call ``end`` if the server stops inside the block."""
    _open.add(end)
    try:
        yield
    finally:
        _open.discard(end)


def end_all() -> None:
    """End the polls of this process, because the server stops: they would be cut off while they wait."""
    for end in list(_open):
        end()


class Signal(Protocol):
    """Tells that there may be something to read."""

    async def hear(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Wait up to ``timeout`` seconds; return True if it was woken."""

    def wake(self) -> None:
        """Make ``hear`` return True."""


class WaitingClient(NamedTuple):
    """The client that waits."""

    still_may: Callable[[], Awaitable[Any]]
    """Raises if the caller has lost its permission. It is called before each later read."""
    gone: Callable[[], Awaitable[None]]
    """Returns when the client has disconnected."""


async def poll(
    read: Callable[[], Awaitable[Found]],
    is_enough: Callable[[Found], bool],
    signal: Signal,
    seconds: float,
    client: WaitingClient,
) -> Found | None:
    """Return what ``read`` finds; while it is not enough, read again with each signal, for up to ``seconds``.

    Returns None if the client has disconnected. The signal must have begun before this call, so that nothing is missed
    between a read and a wait.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    found = await read()
    leaving: asyncio.Future[None] | None = None
    try:
        while not is_enough(found) and (left := until - clock()) > 0:
            is_woken = await signal.hear(left if leaving else min(left, _FIRST_WAIT))
            if leaving is None:
                leaving = asyncio.ensure_future(client.gone())
                leaving.add_done_callback(lambda _: signal.wake())
            elif leaving.done():
                return None
            if is_woken:
                # A wait may last long, and the key may be revoked meanwhile.
                await client.still_may()
                found = await read()
    finally:
        if leaving is not None:
            leaving.cancel()
    return found
