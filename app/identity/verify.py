"""Verify credentials against Postgres, and cache the result until a permission changes."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import inf
from time import monotonic
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.core.errors import TenantSuspended, Unavailable
from app.db import AWAY, Database
from app.identity import api_keys, console_cookies, credentials, store, tokens
from app.identity.credentials import Credential
from app.identity.keyring import Keyring
from app.identity.principal import Principal, Session
from app.identity.scopes import ROLES, TASKS_READ
from app.identity.tokens import Claims, InvalidToken

_log = logging.getLogger(__name__)
# Polling each second, and trusting a poll for 2 s, bounds the time until every process sees a revocation.
_POLL_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 2.0
# The longest life of a cache entry: a second bound, in addition to the epoch.
_MAX_AGE_SECONDS: Final = 30.0
# Seconds between two writes of last_used_at, and between two deletions of expired tokens.
_TOUCH_SECONDS: Final = 15.0
_PRUNE_SECONDS: Final = 600.0
_MAX_ENTRIES: Final = 10_000
_MAX_LENGTH: Final = 4_096
_ANY_KIND: Final = b"access"
_STREAM_KIND: Final = b"stream"
_SESSION_KIND: Final = b"session"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A verified caller: valid until ``ends_at`` (monotonic) while ``epoch`` and key ``generation`` do not change."""

    principal: Principal
    epoch: int
    generation: int
    ends_at: float


class Verifier:
    """Verifies API keys and tokens for one process.

    While ``run`` polls, a change of a key, member, tenant or signing key takes effect within 2 s.
    """

    def __init__(self, database: Database, pepper: Callable[[str], bytes], keys: Keyring) -> None:
        """``database`` connects as the role tq_auth; ``pepper`` finds a pepper by id or raises ``KeyError``."""
        self._database = database
        self._pepper = pepper
        self._keys = keys
        # The cache is keyed by a digest under a key of this process, so that no credential stays in memory.
        self._cache_key = secrets.token_bytes(32)
        self._entries: dict[bytes, _Entry] = {}
        # Lookups under way: requests with the same credentials share one.
        self._asking: dict[bytes, asyncio.Task[_Entry | None]] = {}
        self._epoch = 0
        self._generation = 0
        self._polled_at = -inf
        self._clock_offset = 0.0
        self._used: set[str] = set()
        self._touched_at = -inf
        self._pruned_at = -inf

    async def authenticate(self, scope: MutableMapping[str, Any], *, is_again: bool = False) -> Principal:
        """Return the caller of a request, by its ASGI scope. Also store it for the log line, which names the tenant.

        With ``is_again`` the credentials are verified once more, for long calls, whose key may be revoked meanwhile.
        """
        state = scope.setdefault("state", {})
        # A request asks several times (before the body, as a dependency), but is verified once.
        if is_again or "principal" not in state:
            state["principal"] = await self.check(credentials.of(scope))
        principal: Principal = state["principal"]
        return principal

    def remembered(self, scope: MutableMapping[str, Any]) -> Principal | None:
        """Return the caller of a request if Postgres need not be asked, as ``authenticate`` does; otherwise None."""
        credential = credentials.of(scope)
        entry = self._remembered(self._digest(credential)) if len(credential.text) <= _MAX_LENGTH else None
        if entry is None or entry.principal.status == "suspended":
            return None
        scope.setdefault("state", {})["principal"] = self._note_use(entry.principal)
        return entry.principal

    async def verify(self, credential: str) -> Principal:
        """Return the caller with this API key or access token. Raises like ``check``."""
        return await self.check(Credential(credential))

    async def check(self, credential: Credential) -> Principal:
        """Return the caller with this credential.

        Raises ``Unauthenticated`` (the same answer whatever is wrong), ``TenantSuspended`` or ``Unavailable``.
        """
        if len(credential.text) > _MAX_LENGTH:
            raise credentials.invalid()
        digest = self._digest(credential)
        entry = self._remembered(digest) or await self._ask_once(digest, credential)
        if entry is None:
            raise credentials.invalid(credential.text)
        principal = entry.principal
        if principal.status == "suspended":
            raise tenant_suspended()
        return self._note_use(principal)

    def _digest(self, credential: Credential) -> bytes:
        # The kind is a part of the digest: a token for one task must not be found where another kind is expected.
        kind = _STREAM_KIND if credential.is_stream_token else _SESSION_KIND if credential.is_session else _ANY_KIND
        return blake2b(credential.text.encode(), key=self._cache_key, person=kind).digest()

    def _note_use(self, principal: Principal) -> Principal:
        # Written later by ``run``, for all keys together: a write for each request would be too much.
        if principal.key_id:
            self._used.add(principal.key_id)
        return principal

    def sign_stream_token(self, principal: Principal, task_id: UUID) -> tuple[str, int]:
        """Return a token with which the task may be read, and for how many seconds. Raises ``Unavailable``."""
        now, scopes = self.now(), frozenset({TASKS_READ})
        token, ends_at = tokens.sign_stream(
            principal.subject, task_id, scopes, self._keys, now, made_by=principal.token
        )
        return token, ends_at - int(now)

    def now(self) -> float:
        """Return the time by the database's clock, in Unix seconds. Raises ``Unavailable`` before the first poll."""
        if self._polled_at == -inf:
            raise Unavailable
        return monotonic() + self._clock_offset

    def _remembered(self, digest: bytes) -> _Entry | None:
        now = monotonic()
        entry = self._entries.get(digest)
        if entry is None or now - self._polled_at > _FRESH_SECONDS or entry.generation != self._generation:
            return None
        # An entry may be newer than the latest poll: it was read after it.
        return entry if entry.epoch >= self._epoch and now < entry.ends_at else None

    async def _ask_once(self, digest: bytes, credential: Credential) -> _Entry | None:
        task = self._asking.get(digest)
        if task is None:
            if (question := self._question(credential)) is None:
                return None
            task = asyncio.create_task(question)
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        # Other callers wait for the same answer: one that disconnects must not cancel it for them.
        return await asyncio.shield(task)

    def _question(self, credential: Credential) -> Coroutine[Any, Any, _Entry | None] | None:
        # A text with the wrong form, checksum or signature is refused without asking the database.
        text, is_stream_token, is_session = credential
        if is_session:
            return self._ask_session(text)
        if not is_stream_token and (key_id := api_keys.parse(text)):
            return self._ask_key(text, key_id)
        try:
            return self._ask_token(tokens.read(text, self._keys, tokens.STREAM if is_stream_token else tokens.ACCESS))
        except InvalidToken:
            return None

    def _answered(self, digest: bytes, task: "asyncio.Task[_Entry | None]") -> None:
        del self._asking[digest]
        if task.cancelled() or task.exception() or not (entry := task.result()):
            return
        # The entry is inserted again at the end of the dict, so that the oldest entry is evicted first.
        self._entries.pop(digest, None)
        if len(self._entries) >= _MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = entry

    async def _ask_key(self, credential: str, key_id: str) -> _Entry | None:
        asked_at, generation = monotonic(), self._generation
        # ``asked_at`` is before the query, so that an entry never lives longer than its row allows.
        row = await self._find(lambda connection: store.find_key_any_tenant(connection, key_id))
        if not self._matches(row, credential) or row is None:
            return None
        ends_at = asked_at + _cache_seconds(row["seconds_left"])
        return _Entry(_key_principal(row, frozenset(row["scopes"])), row["epoch"], generation, ends_at)

    async def _ask_session(self, cookie: str) -> _Entry | None:
        asked_at, generation = monotonic(), self._generation
        digest = console_cookies.digest(cookie)
        row = await self._find(lambda connection: store.find_session_any_tenant(connection, digest))
        if row is None:
            return None
        ends_at = asked_at + _cache_seconds(row["seconds_left"])
        return _Entry(_session_principal(row), row["epoch"], generation, ends_at)

    async def _ask_token(self, claims: Claims) -> _Entry | None:
        asked_at, generation = monotonic(), self._generation
        # The times of the token are compared with the database's clock, which all processes share.
        row = await self._find(lambda connection: store.find_bearer_any_tenant(connection, claims))
        if row is None or not claims.is_current(row["now"]):
            return None
        until = min(claims.ends_at, claims.key_until)
        if claims.subject.key_id:
            # A token never has more scopes than its key has now.
            principal = replace(_key_principal(row, claims.scopes.intersection(row["scopes"])), token=claims)
            left = min(_cache_seconds(row["seconds_left"]), until - row["now"])
        else:
            principal = replace(member_principal(row, claims.scopes & ROLES[row["role"]]), token=claims)
            left = _cache_seconds(until - row["now"])
        return _Entry(principal, row["epoch"], generation, asked_at + left)

    async def _find(
        self, ask: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[asyncpg.Record | None]]
    ) -> asyncpg.Record | None:
        try:
            async with self._database.connection() as connection:
                return await ask(connection)
        except AWAY as error:
            raise Unavailable from error

    def _matches(self, row: asyncpg.Record | None, credential: str) -> bool:
        # An unknown key is compared too, so that the time of the answer does not show which ids exist.
        stored, pepper = (row["digest"], self._find_pepper(row["pepper_id"])) if row else (bytes(32), self._cache_key)
        return hmac.compare_digest(stored, api_keys.digest(credential, pepper)) and row is not None

    def _find_pepper(self, pepper_id: str) -> bytes:
        try:
            return self._pepper(pepper_id)
        except KeyError:
            _log.error("a pepper is missing from the secrets file", extra={"pepper_id": pepper_id})
            return self._cache_key

    async def run(self) -> None:
        """Poll the epoch each second until cancelled. While polling fails, the cache is not used."""
        while True:
            try:
                self._refresh_keys()
                async with asyncio.timeout(_FRESH_SECONDS), self._database.connection() as connection:
                    await self._poll(connection)
            except Exception as error:  # noqa: BLE001 after any error the next poll follows
                _log.warning("the auth epoch cannot be read", extra={"error": type(error).__name__})
            await asyncio.sleep(_POLL_SECONDS)

    def _refresh_keys(self) -> None:
        # A lookup that is under way read the old keys. Its generation shows that, and its result is not used.
        if self._keys.refresh():
            self._generation += 1
            self._entries = {}

    async def _poll(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        asked_at = monotonic()
        epoch, now = await store.read_epoch_any_tenant(connection)
        # An entry that was read at the new epoch already is still right.
        if epoch != self._epoch:
            self._entries = {digest: entry for digest, entry in self._entries.items() if entry.epoch >= epoch}
        # The time is taken before the query, so that a slow answer does not count as fresh.
        self._epoch, self._polled_at, self._clock_offset = epoch, asked_at, now - asked_at
        await self._touch_and_prune(connection, asked_at)

    async def _touch_and_prune(self, connection: "asyncpg.Connection[asyncpg.Record]", at: float) -> None:
        if self._used and at - self._touched_at >= _TOUCH_SECONDS:
            used, self._used, self._touched_at = self._used, set(), at
            await store.touch_keys_any_tenant(connection, sorted(used))
        if at - self._pruned_at >= _PRUNE_SECONDS:
            self._pruned_at = at
            await store.prune_tokens_any_tenant(connection)


def tenant_suspended() -> TenantSuspended:
    """Return the error for every caller of a suspended tenant."""
    return TenantSuspended("The operator has suspended this tenant. Ask the operator to resume it.")


def _cache_seconds(seconds: float | None) -> float:
    return _MAX_AGE_SECONDS if seconds is None else min(seconds, _MAX_AGE_SECONDS)


def _key_principal(row: asyncpg.Record, scopes: frozenset[str]) -> Principal:
    return Principal(**_tenant(row), scopes=scopes, key_id=row["key_id"])


def member_principal(row: asyncpg.Record, scopes: frozenset[str]) -> Principal:
    """Return the caller for a member with these scopes."""
    return Principal(**_tenant(row), scopes=scopes, key_id=None, member_id=row["member_id"], email=row["email"])


def _session_principal(row: asyncpg.Record) -> Principal:
    """Return the caller of a session: a member with its role, or a portal link with the scopes that its key has now."""
    role = row["role"] or row["session_role"]
    scopes = ROLES[role] if row["key_id"] is None else ROLES[role].intersection(row["scopes"])
    name = row["email"] or row["label"] or row["operator"] or row["key_id"]
    session = Session(row["session_id"], name, role, row["return_url"])
    return Principal(
        **_tenant(row), scopes=scopes, key_id=row["key_id"], member_id=row["member_id"], email=row["email"],
        operator=row["operator"], session=session,
    )  # fmt: skip


def _tenant(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] for name in ("tenant_id", "slug", "plan", "overrides", "status", "tenant_version")}
