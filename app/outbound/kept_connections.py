"""Keep connections for the next request to the same place, for a moment.

A connection is kept for one tenant and one origin, and taken again only if its address is one of those that the next
request may go to: each request is judged again.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from app.outbound import urls
from app.outbound.addresses import Address
from app.outbound.http import httpx
from app.outbound.pinned_transport import PinnedConnection

SECONDS: Final = 2.0
"""Time for which a connection is kept. Servers close theirs after 5 s or more, so hardly one is found closed."""
_MAX_KEPT: Final = 128


class Origin(NamedTuple):
    """A tenant, and the scheme, host and port of its requests."""

    tenant_id: UUID
    scheme: str
    host: bytes
    port: int

    @classmethod
    def of(cls, tenant_id: UUID, url: httpx.URL) -> "Origin":
        """Return the origin of a URL."""
        return cls(tenant_id, url.scheme, url.raw_host, urls.port_of(url))


class KeptConnections:
    """The connections that one process keeps."""

    def __init__(self) -> None:
        self._kept: dict[Origin, list[PinnedConnection]] = {}
        self._timers: dict[PinnedConnection, asyncio.TimerHandle] = {}

    def take(self, origin: Origin, addresses: Sequence[Address]) -> PinnedConnection | None:
        """Return a connection to one of the addresses; None if none is kept."""
        # The newest first: its server is the least likely to have closed it.
        for connection in reversed(self._kept.get(origin, ())):
            if connection.address in addresses:
                self._forget(origin, connection)
                if connection.is_at_rest:
                    return connection
                connection.close()
        return None

    def give(self, origin: Origin, connection: PinnedConnection) -> None:
        """Keep a connection after a request, or close it if it can take no other."""
        if len(self._timers) >= _MAX_KEPT or not connection.renew():
            connection.close()
            return
        self._kept.setdefault(origin, []).append(connection)
        self._timers[connection] = asyncio.get_running_loop().call_later(SECONDS, self._end, origin, connection)

    def close(self) -> None:
        """Close all of them."""
        for origin, connections in list(self._kept.items()):
            for connection in list(connections):
                self._end(origin, connection)

    def _end(self, origin: Origin, connection: PinnedConnection) -> None:
        self._forget(origin, connection)
        connection.close()

    def _forget(self, origin: Origin, connection: PinnedConnection) -> None:
        self._timers.pop(connection).cancel()
        self._kept[origin].remove(connection)
        if not self._kept[origin]:
            del self._kept[origin]
