"""Look host names up, in threads that one slow name server cannot use up."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, TypeAlias
from uuid import UUID

from app.outbound.addresses import Address

LookUp: TypeAlias = Callable[[str], Sequence[Address]]

_TIMEOUT: Final = 3.0
_THREAD_TIMEOUT: Final = 3.0
# How glibc asks: it would wait 5 s for each name server, twice, and hold a thread for as long.
_SYSTEM_OPTIONS: Final = "timeout:1 attempts:2"
_AT_ONCE: Final = 64
_AT_ONCE_PER_TENANT: Final = 4


class NoThreadError(Exception):
    """All threads that look names up are busy: nothing was looked up, so it does not count as an attempt."""


def bound_system_resolver() -> None:
    """Have the system's resolver give up on a silent name server after 1 s, twice, unless RES_OPTIONS is set."""
    os.environ.setdefault("RES_OPTIONS", _SYSTEM_OPTIONS)


def look_up(host: str) -> Sequence[Address]:
    """Ask the system's resolver, for as long as it takes; a name that it does not know has no address."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    # A scope is no part of a public address, and a local one is refused with or without it.
    return [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


class Resolver:
    """Looks names up for one process. A place is taken until its thread ends, and a thread cannot be stopped."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        """``look_up`` blocks; it raises nothing."""
        self._look_up = look_up
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._places_of: dict[UUID, asyncio.Semaphore] = {}

    async def addresses(self, tenant_id: UUID, host: str) -> Sequence[Address]:
        """Return the addresses of a name, none for one that is unknown.

        Raises ``NoThreadError`` when no thread is free for 3 s, and ``TimeoutError`` when the look-up takes 3 s.
        """
        try:
            async with asyncio.timeout(_THREAD_TIMEOUT):
                found = await self._begin(tenant_id, host)
        except TimeoutError:
            raise NoThreadError from None
        async with asyncio.timeout(_TIMEOUT):
            # The thread cannot be stopped, and its place must be given back when it ends.
            return await asyncio.shield(found)

    async def _begin(self, tenant_id: UUID, host: str) -> asyncio.Future[Sequence[Address]]:
        # The tenant's own place comes first: a tenant that waits for it must not occupy a place of all.
        places = (self._places_of.setdefault(tenant_id, asyncio.Semaphore(_AT_ONCE_PER_TENANT)), self._places)
        taken = []
        try:
            for place in places:
                await place.acquire()
                taken.append(place)
        except BaseException:
            _release(taken)
            raise
        found = _in_thread(self._look_up, host)
        found.add_done_callback(lambda _: _release(taken))
        return found


def _release(places: Sequence[asyncio.Semaphore]) -> None:
    for place in places:
        place.release()


def _in_thread(look_up: LookUp, host: str) -> asyncio.Future[Sequence[Address]]:
    # A thread of its own, not an executor's: those are waited for when the process ends, these are not.
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[Address]] = loop.create_future()

    def work() -> None:
        answer = look_up(host)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(found.set_result, answer)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    return found
