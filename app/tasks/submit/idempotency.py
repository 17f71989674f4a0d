"""Idempotency keys: a request that is sent twice with one key is accepted once."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn
from uuid import UUID

from app.core.errors import IdempotencyConflict, IdempotencyMismatch, NotFound
from app.db import Database
from app.tasks import store
from app.tasks.status import Status
from app.tasks.submit import decision
from app.tasks.submit.decision import Accepted
from app.tasks.submit.new_tasks import Idempotency

_FIRST_TIMEOUT: Final = 2.0
_PIECE: Final = 16
_PIECES_DEPTH: Final = 5
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class IdempotencyKeys:
    """The keys that are under way in one process."""

    def __init__(self, reader: Database) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        # Two submits with one key in one group would meet in one statement: the second waits for the first here.
        self._under_way: dict[tuple[UUID, str], asyncio.Event] = {}

    @asynccontextmanager
    async def hold(self, tenant_id: UUID, wanted: Idempotency) -> AsyncIterator[Accepted | None]:
        """Hold a key in this process; yield what an earlier submit with it was answered, None where it is free.

        Raises what ``find`` does, and ``IdempotencyConflict`` where an earlier submit is under way for 2 s.
        """
        key = tenant_id, wanted.key
        await self._let_first_end(key)
        first = self._under_way[key] = asyncio.Event()
        try:
            yield await self.find(tenant_id, wanted)
        finally:
            del self._under_way[key]
            first.set()

    async def find(self, tenant_id: UUID, wanted: Idempotency) -> Accepted | None:
        """Return what was stored under a key; None where nothing is.

        Raises ``IdempotencyMismatch``, and ``NotFound`` where its task is past its retention.
        """
        async with self._reader.transaction(tenant_id) as connection:
            found = await store.find_key(connection, tenant_id, wanted.key)
            if found is None:
                return None
            if found["fingerprint"] != wanted.fingerprint:
                raise IdempotencyMismatch("This Idempotency-Key was used with another body. Use a new key.")
            if found["answer"] is not None:
                return decision.from_text(found["answer"])
            status = await store.status(connection, tenant_id, found["task_id"])
        if status is None:
            raise NotFound("The task of this Idempotency-Key is past its retention. Use a new key.")
        return Accepted((found["task_id"],), {}, None, None, Status(status), is_replay=True)

    async def _let_first_end(self, key: tuple[UUID, str]) -> None:
        try:
            async with asyncio.timeout(_FIRST_TIMEOUT):
                while (first := self._under_way.get(key)) is not None:
                    await first.wait()
        except TimeoutError:
            conflict()


def conflict() -> NoReturn:
    """Raise ``IdempotencyConflict``."""
    raise IdempotencyConflict(
        "The first request with this Idempotency-Key is still under way. Send it again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def fingerprint(body: Any, *, is_large: bool = False) -> bytes:
    """Return a hash of a body that does not depend on the order of its members or on its spaces.

    A large body is encoded in pieces, because each call of the encoder blocks the event loop, even from a thread.
    """
    if not is_large:
        return hashlib.sha256(_encode(body).encode()).digest()
    digest = hashlib.sha256()
    for piece in _canonical(body, _PIECES_DEPTH):
        digest.update(piece.encode())
    return digest.digest()


def _canonical(value: Any, depth: int) -> Iterator[str]:
    """Yield the canonical JSON of a value in pieces: 16 members of a long value at once, single ones of a short one."""
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
