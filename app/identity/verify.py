"""Whether credentials hold: asked of Postgres, and remembered for as long as nothing has changed."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Final

import asyncpg

from app.core.errors import TenantSuspended, Unauthenticated, Unavailable
from app.db import AWAY, Database
from app.identity import api_keys, store
from app.identity.principal import Principal

_log = logging.getLogger(__name__)
_POLL_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 2.0
_MAX_AGE_SECONDS: Final = 30.0
_TOUCH_SECONDS: Final = 15.0
_MAX_ENTRIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A caller known to hold at ``epoch``, until ``ends_at`` (monotonic)."""

    principal: Principal
    epoch: int
    ends_at: float


class Verifier:
    """Verifies API keys for one process. While ``run`` polls, a change of a key or tenant holds within 2 s."""

    def __init__(self, database: Database, pepper: Callable[[str], bytes]) -> None:
        """``database`` is of the role tq_auth; ``pepper`` finds a pepper by id or raises ``KeyError``."""
        self._database = database
        self._pepper = pepper
        # The cache is keyed by a digest under a key of this process: no credential stays in memory.
        self._cache_key = secrets.token_bytes(32)
        self._entries: dict[bytes, _Entry] = {}
        self._asking: dict[bytes, asyncio.Task[_Entry | None]] = {}
        self._epoch = 0
        self._polled_at = -inf
        self._used: set[str] = set()
        self._touched_at = -inf

    async def verify(self, credential: str) -> Principal:
        """Return who is calling.

        Raises ``Unauthenticated`` (one answer for whatever does not hold), ``TenantSuspended`` or ``Unavailable``.
        """
        key_id = api_keys.parse(credential)
        if key_id is None:
            raise refused()
        digest = api_keys.digest(credential, self._cache_key)
        entry = self._remembered(digest) or await self._ask_once(digest, credential, key_id)
        if entry is None:
            raise refused()
        if entry.principal.status == "suspended":
            raise TenantSuspended("The operator has suspended this tenant. Ask the operator.")
        self._used.add(key_id)
        return entry.principal

    def _remembered(self, digest: bytes) -> _Entry | None:
        now = monotonic()
        entry = self._entries.get(digest)
        if entry is None or now - self._polled_at > _FRESH_SECONDS:
            return None
        return entry if entry.epoch >= self._epoch and now < entry.ends_at else None

    async def _ask_once(self, digest: bytes, credential: str, key_id: str) -> _Entry | None:
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(credential, key_id))
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        # One caller that goes away does not take the answer from the others.
        return await asyncio.shield(task)

    def _answered(self, digest: bytes, task: "asyncio.Task[_Entry | None]") -> None:
        del self._asking[digest]
        if task.cancelled() or task.exception() or not (entry := task.result()):
            return
        self._entries.pop(digest, None)
        if len(self._entries) >= _MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = entry

    async def _ask(self, credential: str, key_id: str) -> _Entry | None:
        asked_at = monotonic()
        try:
            async with self._database.connection() as connection:
                row = await store.find_key_any_tenant(connection, key_id)
        except AWAY as error:
            raise Unavailable from error
        if not self._matches(row, credential) or row is None:
            return None
        left = _MAX_AGE_SECONDS if row["seconds_left"] is None else min(row["seconds_left"], _MAX_AGE_SECONDS)
        return _Entry(_principal(row, key_id), row["epoch"], asked_at + left)

    def _matches(self, row: asyncpg.Record | None, credential: str) -> bool:
        # An unknown key is compared too, so that it takes the time of a known one.
        stored, pepper = (row["digest"], self._find_pepper(row["pepper_id"])) if row else (bytes(32), self._cache_key)
        return hmac.compare_digest(stored, api_keys.digest(credential, pepper)) and row is not None

    def _find_pepper(self, pepper_id: str) -> bytes:
        try:
            return self._pepper(pepper_id)
        except KeyError:
            _log.error("a pepper is missing from the secrets file", extra={"pepper_id": pepper_id})
            return self._cache_key

    async def run(self) -> None:
        """Poll the epoch each second, for ever; while it fails nothing remembered is used."""
        while True:
            try:
                async with asyncio.timeout(_FRESH_SECONDS), self._database.connection() as connection:
                    await self._poll(connection)
            except Exception as error:  # noqa: BLE001 whatever happens, the next poll is tried
                _log.warning("the auth epoch cannot be read", extra={"error": type(error).__name__})
            await asyncio.sleep(_POLL_SECONDS)

    async def _poll(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        asked_at = monotonic()
        epoch = await store.read_epoch_any_tenant(connection)
        if epoch != self._epoch:
            self._entries = {digest: entry for digest, entry in self._entries.items() if entry.epoch >= epoch}
        self._epoch, self._polled_at = epoch, asked_at
        if self._used and asked_at - self._touched_at >= _TOUCH_SECONDS:
            used, self._used, self._touched_at = self._used, set(), asked_at
            await store.touch_keys_any_tenant(connection, sorted(used))


def refused() -> Unauthenticated:
    """Return the one answer to credentials that do not hold."""
    return Unauthenticated(
        "The credentials do not hold. Send a valid API key.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def _principal(row: asyncpg.Record, key_id: str) -> Principal:
    return Principal(
        tenant_id=row["tenant_id"],
        slug=row["slug"],
        plan=row["plan"],
        limits=row["limits"],
        status=row["status"],
        scopes=frozenset(row["scopes"]),
        key_id=key_id,
    )
