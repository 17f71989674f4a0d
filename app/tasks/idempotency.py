"""Idempotency keys: what was sent twice under one key is accepted once."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
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
_PIECE: Final = 16
_PIECES_DEPTH: Final = 5
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

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
    ) -> _Receipt:
        """Return what ``accept`` does, or for a replay what ``recall`` does; without a key it is never one.

        Raises ``IdempotencyConflict`` and ``IdempotencyMismatch``.
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


def fingerprint(body: Any, *, is_large: bool = False) -> bytes:
    """Return what tells one body from another: not its order, nor its spaces.

    A large one is encoded in pieces: each call of the encoder keeps the event loop waiting, from a thread, too.
    """
    if not is_large:
        return hashlib.sha256(_encode(body).encode()).digest()
    digest = hashlib.sha256()
    for piece in _canonical(body, _PIECES_DEPTH):
        digest.update(piece.encode())
    return digest.digest()


def _canonical(value: Any, depth: int) -> Iterator[str]:
    """Return the canonical JSON of a value, in pieces: of a long one some members each, of a short one each member."""
    if not depth or type(value) not in {dict, list} or not value:
        yield _encode(value)
        return
    is_list, between = type(value) is list, ""
    members = value if is_list else sorted(value)
    yield "[" if is_list else "{"
    for start in range(0, len(members), _PIECE):
        some = members[start : start + _PIECE]
        if len(members) > _PIECE:
            yield between + _encode(some if is_list else {name: value[name] for name in some})[1:-1]
            between = ","
            continue
        for each in some:
            yield between if is_list else f"{between}{_encode(each)}:"
            yield from _canonical(each if is_list else value[each], depth - 1)
            between = ","
    yield "]" if is_list else "}"
