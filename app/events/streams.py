"""The streams that are open in an api process: their number is limited, and they end with their credentials."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final
from uuid import UUID

from app.core.errors import Problem, TooManyStreams, Unavailable
from app.core.log_limiter import LogLimiter
from app.http.event_stream import End
from app.identity.credentials import Credential
from app.identity.verify import Verifier

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Seconds between two checks. The verifier learns of a change within another second, so streams end within 2 s.
_CHECK_INTERVAL: Final = 0.5
# Seconds for which a credential need not be confirmed, because Postgres does not answer.
_UNCONFIRMED_SECONDS: Final = 1.5


class Reservation:
    """The place of one stream among those of its tenant."""

    def __init__(self, streams: "OpenStreams", tenant_id: UUID) -> None:
        """``streams`` counts it until it is kept, and then until the stream ends."""
        self._streams = streams
        self._tenant_id = tenant_id
        self.is_kept = False

    def keep(self, credential: Credential) -> Callable[[End], AbstractContextManager[None]]:
        """Keep the place for a stream with this credential. Returns what ``EventStream`` opens."""
        self.is_kept = True
        return partial(self._streams.opened, self._tenant_id, credential)


class OpenStreams:
    """The open streams of this process, by tenant and by credential."""

    def __init__(self, verifier: Verifier) -> None:
        """``verifier`` checks the credentials while their streams are open."""
        self._verifier = verifier
        self._counts: dict[UUID, int] = {}
        self._streams: dict[Credential, dict[End, None]] = {}
        self._confirmed_at: dict[Credential, float] = {}

    @contextmanager
    def reserved(self, tenant_id: UUID, limit: int) -> Iterator["Reservation"]:
        """Count a stream of a tenant. It counts on after the block only if the reservation was kept.

        Raises ``TooManyStreams``.
        """
        count = self._counts.get(tenant_id, 0)
        if count >= limit:
            raise TooManyStreams(limit)
        # Counted before the first read, which waits: else two requests at once could both take the last place.
        self._counts[tenant_id] = count + 1
        reservation = Reservation(self, tenant_id)
        try:
            yield reservation
        finally:
            if not reservation.is_kept:
                self._release(tenant_id)

    def _release(self, tenant_id: UUID) -> None:
        self._counts[tenant_id] -= 1
        if not self._counts[tenant_id]:
            del self._counts[tenant_id]

    @contextmanager
    def opened(self, tenant_id: UUID, credential: Credential, end: End) -> Iterator[None]:
        """Call ``end`` when the credential loses its rights. The stream counts no more at the end of the block."""
        self._streams.setdefault(credential, {})[end] = None
        self._confirmed_at.setdefault(credential, asyncio.get_running_loop().time())
        try:
            yield
        finally:
            self._release(tenant_id)
            del self._streams[credential][end]
            if not self._streams[credential]:
                del self._streams[credential], self._confirmed_at[credential]

    async def run(self) -> None:
        """Check the credentials of all open streams until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            # By credential and not by stream: a thousand streams of one key are one check.
            for credential in list(self._streams):
                try:
                    is_valid = await self._is_valid(credential)
                except Exception as error:  # noqa: BLE001 what cannot be checked is not valid
                    _log_limiter.warn("cannot check the credential of a stream", reason=type(error).__name__)
                    is_valid = False
                if not is_valid:
                    for end in list(self._streams.get(credential, ())):
                        end()

    async def _is_valid(self, credential: Credential) -> bool:
        if credential not in self._streams:
            return True
        clock = asyncio.get_running_loop().time
        try:
            await self._verifier.check(credential)
        except Unavailable:
            # Postgres is away. A short absence must not cut every stream, but nobody knows whether the key is revoked.
            return clock() - self._confirmed_at.get(credential, 0) < _UNCONFIRMED_SECONDS
        except Problem:
            return False
        if credential in self._confirmed_at:
            self._confirmed_at[credential] = clock()
        return True
