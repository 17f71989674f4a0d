"""Idempotency keys: a request that is sent twice with the same key is accepted once."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn
from uuid import UUID

from app.core.errors import IdempotencyConflict, IdempotencyMismatch, InvalidRequest, NotFound
from app.db import Database
from app.tasks import store
from app.tasks.status import Status
from app.tasks.submit import decision
from app.tasks.submit.decision import Accepted
from app.tasks.submit.new_tasks import Idempotency

# Seconds to wait for the first request with a key.
_FIRST_TIMEOUT: Final = 2.0
# Members that one call of the encoder takes, and levels of nesting at which a body is divided. A call holds the
# interpreter's lock, so a piece must be small.
_PIECE: Final = 16
_PIECES_DEPTH: Final = 5
_MAX_KEY: Final = 255
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class IdempotencyKeys:
    """Looks up idempotency keys, and lets requests with the same key wait for one another within a process."""

    def __init__(self, reader: Database) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        # By tenant and key. The group commit cannot store the same key twice in one statement, so a second submit waits
        # here until the first one has ended.
        self._under_way: dict[tuple[UUID, str], asyncio.Event] = {}

    @asynccontextmanager
    async def hold(self, tenant_id: UUID, wanted: Idempotency) -> AsyncIterator[Accepted | None]:
        """Reserve a key in this process. Yield the decision about an earlier submit with this key; None if it is free.

        Raises the errors of ``find``, and ``IdempotencyConflict`` if an earlier submit has not ended after 2 s.
        """
        key = tenant_id, wanted.key
        await self._wait_for_first(key)
        first = self._under_way[key] = asyncio.Event()
        try:
            yield await self.find(tenant_id, wanted)
        finally:
            del self._under_way[key]
            first.set()

    async def find(self, tenant_id: UUID, wanted: Idempotency) -> Accepted | None:
        """Return the decision that is stored under a key; None if the key is free.

        Raises ``IdempotencyMismatch`` if the earlier request was another one, and ``NotFound`` if its task was deleted
        after its retention.
        """
        async with self._reader.transaction(tenant_id) as connection:
            found = await store.find_key(connection, tenant_id, wanted.key)
            if found is None:
                return None
            if found["fingerprint"] != wanted.fingerprint:
                raise IdempotencyMismatch("This Idempotency-Key was used with another body. Use a new key.")
            # Batches have a stored decision. A single task has only its id, and its current status is reported.
            if found["answer"] is not None:
                return decision.from_text(found["answer"])
            status = await store.status(connection, tenant_id, found["task_id"])
        if status is None:
            raise NotFound("The task of this Idempotency-Key was deleted after its retention. Use a new key.")
        return Accepted((found["task_id"],), {}, None, None, Status(status), is_replay=True)

    async def _wait_for_first(self, key: tuple[UUID, str]) -> None:
        try:
            async with asyncio.timeout(_FIRST_TIMEOUT):
                # A loop, because of several waiting requests only one can be the next.
                while (first := self._under_way.get(key)) is not None:
                    await first.wait()
        except TimeoutError:
            conflict()


def read_key(text: str) -> str:
    """Return the key that a request has. Raises ``InvalidRequest``."""
    # The draft standard quotes the key, common practice does not: both forms mean the same key.
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not (1 <= len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest("Send 1 to 255 printable ASCII characters as the Idempotency-Key.")
    return key


def conflict() -> NoReturn:
    """Raise ``IdempotencyConflict``, which tells the client to try again in 2 s."""
    raise IdempotencyConflict(
        "The first request with this Idempotency-Key is still in progress. Send it again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def fingerprint(body: Any, *, is_large: bool = False) -> bytes:
    """Return the SHA-256 of a JSON value. It does not depend on the order of members or on spaces in the text.

    A large body is encoded in pieces, because each call of the encoder blocks the event loop, even from a thread. The
    hash is the same.
    """
    if not is_large:
        return hashlib.sha256(_encode(body).encode()).digest()
    digest = hashlib.sha256()
    for piece in _canonical(body, _PIECES_DEPTH):
        digest.update(piece.encode())
    return digest.digest()


def _canonical(value: Any, depth: int) -> Iterator[str]:
    """Yield the canonical JSON of a value in pieces.

    A list or object with more than 16 members is encoded 16 members at a time. A shorter one is divided into its
    members, down to ``depth`` levels: one of them may be large.
    """
    if not depth or type(value) not in {dict, list} or not value:
        yield _encode(value)
        return
    is_list, between = type(value) is list, ""
    members = value if is_list else sorted(value)
    yield "[" if is_list else "{"
    for start in range(0, len(members), _PIECE):
        some = members[start : start + _PIECE]
        if len(members) > _PIECE:
            # Without the brackets of the piece: the pieces together are one list or object.
            yield between + _encode(some if is_list else {name: value[name] for name in some})[1:-1]
            between = ","
            continue
        for each in some:
            yield between if is_list else f"{between}{_encode(each)}:"
            yield from _canonical(each if is_list else value[each], depth - 1)
            between = ","
    yield "]" if is_list else "}"
