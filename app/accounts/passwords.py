"""Passwords of members: stored as Argon2id through passlib, hashed in two threads at most."""

import asyncio
import secrets
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from uuid import UUID

from app.core.errors import InvalidRequest, TooManyAttempts, Unavailable

T = TypeVar("T")

SHORTEST: Final = 12
LONGEST: Final = 256

# A second's work of a thread; whoever comes after that is told to come again.
_MOST_WAITING: Final = 40
_MOST_OF_TENANT: Final = 2


def _make_context() -> Any:
    # passlib 1.7.4 asks for modules and attributes that are going away: known, harmless, and said once for all.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crypt' is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", "Accessing argon2.__version__", DeprecationWarning)
        from passlib.context import CryptContext  # type: ignore[import-untyped]  # noqa: PLC0415

        context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=19_456,  # KiB: with two passes OWASP's minimum, about 20 ms
            argon2__time_cost=2,
            argon2__parallelism=1,
        )
        context.handler("argon2").get_backend()
    return context


_CONTEXT: Final = _make_context()
# Verified where there is no member, so that it takes as long as a wrong password.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$wVirNaZ0jrG2lpKSstaacw$Ls4AQJzqK4I1cCQ4bojDsEulrRQCikfxe/TF1yrfbyA"


def check(password: str) -> None:
    """Refuse a password that is too short or too long; raises ``InvalidRequest``."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest(f"A password has {SHORTEST} to {LONGEST} characters.")


def generate() -> str:
    """Make a password of 144 random bits, to be shown once."""
    return secrets.token_urlsafe(18)


def hash_now(password: str) -> str:
    """Return the stored form of a password; takes about 20 ms."""
    hashed: str = _CONTEXT.hash(password)
    return hashed


def verify_now(password: str, stored: str | None) -> bool:
    """Say whether a password is the stored one; no stored one takes as long as a wrong one."""
    if len(password) > LONGEST:
        password, stored = "", None
    try:
        is_right: bool = _CONTEXT.verify(password, _NOBODY if stored is None else stored)
    except (ValueError, TypeError):
        # A malformed hash, or a NUL in the password (PasswordValueError, PasswordSizeError).
        return False
    return is_right and stored is not None


def needs_rehash(stored: str) -> bool:
    """Say whether a password was stored with other parameters than today's."""
    is_old: bool = _CONTEXT.needs_update(stored)
    return is_old


class Hasher:
    """Hashes and verifies beside the event loop, and refuses what would wait too long.

    One of the two threads is for logins alone, so that no tenant's new passwords keep anybody from logging in.
    """

    def __init__(self) -> None:
        """Make the threads when they are first needed."""
        self._for_logins, self._for_all = _Thread("logins"), _Thread("passwords")
        self._of_tenants: Counter[UUID] = Counter()

    async def verify(self, password: str, stored: str | None) -> bool:
        """Say whether a login's password is the stored one; raises ``Unavailable`` when too many wait."""
        thread = min(self._for_logins, self._for_all, key=lambda thread: thread.waiting)
        return await thread.run(verify_now, password, stored)

    async def hash(self, tenant_id: UUID, password: str) -> str:
        """Return the stored form of a tenant's new password.

        Raises ``TooManyAttempts`` when as many of the tenant's wait as may, ``Unavailable`` when too many wait.
        """
        if self._of_tenants[tenant_id] >= _MOST_OF_TENANT:
            raise TooManyAttempts(1)
        self._of_tenants[tenant_id] += 1
        try:
            return await self._for_all.run(hash_now, password)
        finally:
            self._of_tenants[tenant_id] -= 1
            if not self._of_tenants[tenant_id]:
                del self._of_tenants[tenant_id]

    def close(self) -> None:
        """Take no more work."""
        self._for_logins.close()
        self._for_all.close()


class _Thread:
    """One thread, and how many wait for it."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.waiting = 0

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        if self.waiting >= _MOST_WAITING:
            raise Unavailable
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
