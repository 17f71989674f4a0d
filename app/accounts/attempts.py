"""How often a login may be tried: for each account here, for each address by slowapi."""

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Any, Final, ParamSpec, TypeVar

from limits import parse
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.requests import Request

from app.core.errors import TooManyAttempts

P = ParamSpec("P")
T = TypeVar("T")

_FREE: Final = 5
_LONGEST_WAIT: Final = 300.0
_MOST_ACCOUNTS: Final = 20_000
_FORGET_AFTER: Final = 3_600.0


@dataclass(slots=True)
class _Record:
    """Tries in a row of one account, and from when (monotonic) the next is taken."""

    tries: int = 0
    last_at: float = 0.0
    next_at: float = 0.0


class Attempts:
    """Slows down who tries passwords of one account: five are free, then 1, 2, 4 … 300 s must pass before the next.

    For this process; an address that no member has is treated alike, and is remembered as a digest only.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """``clock`` gives seconds."""
        self._clock = clock
        self._records: OrderedDict[bytes, _Record] = OrderedDict()

    def enter(self, email: str) -> None:
        """Count a try before it is made, so that many at once count as many; raises ``TooManyAttempts``."""
        now, name = self._clock(), _digest(email)
        record = self._records.pop(name, None) or _Record()
        self._records[name] = record
        if now < record.next_at:
            raise TooManyAttempts(record.next_at - now)
        if now - record.last_at > _FORGET_AFTER:
            record.tries = 0
        record.tries += 1
        record.last_at = now
        if record.tries >= _FREE:
            record.next_at = now + min(2.0 ** min(record.tries - _FREE, 16), _LONGEST_WAIT)
        if len(self._records) > _MOST_ACCOUNTS:
            self._records.popitem(last=False)

    def succeed(self, email: str) -> None:
        """Forget the tries of an account whose password was right."""
        self._records.pop(_digest(email), None)


def _digest(email: str) -> bytes:
    return hashlib.blake2b(email.encode(), digest_size=16).digest()


def _network(request: Request) -> str:
    # The connection's own address: a header may say anything. Who has one IPv6 address has 2^64 more beside it.
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host or "unknown"
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return str(IPv6Address(int(address) >> 64 << 64))
    return host


# In memory, for this process: a shared store would be asked synchronously, on the event loop. By the endpoint, not by
# the URL. slowapi's middleware limits nothing on routes that are included; its decorator does.
_LIMITER: Final = Limiter(
    key_func=_network, key_style="endpoint", storage_uri="memory://", strategy="moving-window", headers_enabled=False
)
# Else RATELIMIT_ENABLED in the environment or .env could switch it off.
_LIMITER.enabled = True


def limited(rate: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Let one address call an endpoint so often (``10/minute``); it must take ``request``. Else ``TooManyAttempts``."""
    period = parse(rate).get_expiry()

    def decorate(endpoint: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        counted: Callable[..., Any] = _LIMITER.limit(rate)(endpoint)

        @functools.wraps(endpoint)
        async def answer(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                found: T = await counted(*args, **kwargs)
            except RateLimitExceeded:
                raise TooManyAttempts(period) from None
            return found

        return answer

    return decorate
