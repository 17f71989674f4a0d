"""Idempotency keys: what was sent twice under one key is accepted once."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar
from uuid import UUID

from app.core.errors import IdempotencyConflict, IdempotencyMismatch
from app.db import Connection, Database
from app.tasks import store
from app.tasks.intake import IdempotencyKeyTaken
from app.tasks.new_tasks import Submission

if TYPE_CHECKING:
    import asyncpg

_WAIT_FOR_FIRST: Final = 2.0

_Receipt = TypeVar("_Receipt")
Recall: TypeAlias = "Callable[[Connection, asyncpg.Record], Awaitable[_Receipt]]"
"""Makes the receipt of a replay from what is stored under its key."""


class Keys:
    """The keys that are under way in one api process."""

    def __init__(self, reader: Database) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        # Two submissions with one key in one group would meet in one statement: the second waits for the first here.
        self._under_way: dict[tuple[UUID, str], asyncio.Event] = {}

    async def once(
        self,
        wanted: Submission,
        accept: Callable[[], Awaitable[_Receipt]],
        recall: "Recall[_Receipt]",
        taken: Callable[[], Awaitable[None]],
    ) -> _Receipt:
        """Return what ``accept`` does, or for a replay what ``recall`` does; without a key it is never one.

        ``taken`` is awaited when another process was faster after all. Raises ``IdempotencyConflict`` and
        ``IdempotencyMismatch``.
        """
        if wanted.idempotency_key is None:
            return await accept()
        key = wanted.tenant_id, wanted.idempotency_key
        await self._let_first_end(key)
        first = self._under_way[key] = asyncio.Event()
        try:
            replay = await self._replay(wanted, recall)
            if replay is not None:
                return replay
            try:
                return await accept()
            except IdempotencyKeyTaken:
                await taken()
                return await self._replay(wanted, recall) or _conflict()
        finally:
            del self._under_way[key]
            first.set()

    async def _let_first_end(self, key: tuple[UUID, str]) -> None:
        try:
            async with asyncio.timeout(_WAIT_FOR_FIRST):
                while (first := self._under_way.get(key)) is not None:
                    await first.wait()
        except TimeoutError:
            _conflict()

    async def _replay(self, wanted: Submission, recall: "Recall[_Receipt]") -> _Receipt | None:
        async with self._reader.transaction(wanted.tenant_id) as connection:
            found = await store.find_key(connection, wanted.tenant_id, wanted.idempotency_key or "")
            if found is None:
                return None
            if found["fingerprint"] != wanted.fingerprint:
                raise IdempotencyMismatch("This Idempotency-Key was used with another body. Use a new key.")
            return await recall(connection, found)


def _conflict() -> NoReturn:
    raise IdempotencyConflict(
        "The first request with this Idempotency-Key is still under way. Send it again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def fingerprint(body: Any) -> bytes:
    """Return what tells one body from another: not its order, nor its spaces."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()
