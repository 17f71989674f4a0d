"""Hash and verify members' passwords: Argon2id through passlib, in two threads at most."""

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

# Characters. The longest one bounds the time for hashing, which grows with the text.
MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256

# About one second of work for a thread. A request beyond it is refused, because it would wait too long.
_MAX_WAITING: Final = 40
_MAX_WAITING_OF_TENANT: Final = 2


def _make_context() -> Any:
    # passlib 1.7.4 uses deprecated modules and attributes. That is known and harmless, so its warnings are hidden.
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
# Verified when there is no member, so that an unknown address takes as long as a wrong password.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$wVirNaZ0jrG2lpKSstaacw$Ls4AQJzqK4I1cCQ4bojDsEulrRQCikfxe/TF1yrfbyA"


def check(password: str) -> None:
    """Check the length of a new password. Raises ``InvalidRequest``."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidRequest(f"Choose a password of {MIN_LENGTH} to {MAX_LENGTH} characters.")


def generate() -> str:
    """Return a new password of 144 random bits, which is shown once."""
    return secrets.token_urlsafe(18)


def hash_now(password: str) -> str:
    """Return the Argon2id hash of a password. It takes about 20 ms."""
    hashed: str = _CONTEXT.hash(password)
    return hashed


def verify_now(password: str, stored: str | None) -> bool:
    """Return whether a password matches the stored hash. It takes as long when ``stored`` is ``None``."""
    # Such a password is never stored, and hashing a very long text would only cost time.
    if len(password) > MAX_LENGTH:
        password, stored = "", None
    try:
        is_right: bool = _CONTEXT.verify(password, _NOBODY if stored is None else stored)
    except (ValueError, TypeError):
        # passlib raises these for a malformed hash, or a NUL in the password.
        return False
    return is_right and stored is not None


def needs_rehash(stored: str) -> bool:
    """Return whether a password was hashed with other parameters than the current ones."""
    is_old: bool = _CONTEXT.needs_update(stored)
    return is_old


class Hasher:
    """Hashes and verifies outside the event loop, and refuses work that would wait too long.

    One of the two threads only verifies logins, so that a tenant which sets many passwords delays no login.
    """

    def __init__(self) -> None:
        """Create the executors; their threads start with the first work."""
        self._for_logins, self._for_all = _Thread("logins"), _Thread("passwords")
        self._of_tenants: Counter[UUID] = Counter()

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether a login's password matches the stored hash. Raises ``Unavailable`` when too many wait."""
        # A login takes the thread with the shorter queue. New passwords only use the shared thread.
        thread = min(self._for_logins, self._for_all, key=lambda thread: thread.waiting)
        return await thread.run(verify_now, password, stored)

    async def hash(self, tenant_id: UUID, password: str) -> str:
        """Return the hash of a tenant's new password.

        Raises ``TooManyAttempts`` when too many of this tenant wait, ``Unavailable`` when too many of all tenants wait.
        """
        if self._of_tenants[tenant_id] >= _MAX_WAITING_OF_TENANT:
            raise TooManyAttempts(1)
        self._of_tenants[tenant_id] += 1
        try:
            return await self._for_all.run(hash_now, password)
        finally:
            self._of_tenants[tenant_id] -= 1
            # Without entries of 0 the counter does not grow with the number of tenants.
            if not self._of_tenants[tenant_id]:
                del self._of_tenants[tenant_id]

    def close(self) -> None:
        """Stop the threads, and cancel the work that waits."""
        self._for_logins.close()
        self._for_all.close()


class _Thread:
    """One thread, with the number of calls that wait for it."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.waiting = 0

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        # Counted here and not by the executor, which has no bound for its queue.
        if self.waiting >= _MAX_WAITING:
            raise Unavailable
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
