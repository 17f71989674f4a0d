"""How often a login may be tried: for each account here, for each address by slowapi."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Final, TypeVar

from limits import parse
from slowapi import Limiter
from starlette.requests import Request

from app.core.errors import TooManyAttempts

T = TypeVar("T")

_MARK: Final = "address_limit"
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


# In memory, for this process: a shared store would be asked synchronously, on the event loop. By the operation, not by
# the URL. slowapi's middleware limits nothing on routes that are included, and its decorator counts only what has been
# read and found valid: each try counts here.
_LIMITER: Final = Limiter(key_func=_network, storage_uri="memory://", strategy="moving-window", headers_enabled=False)


class AddressLimit:
    """How often one address may call an operation."""

    def __init__(self, rate: str) -> None:
        """``rate`` is of the form ``10/minute``."""
        self._rate = parse(rate)

    def count(self, request: Request, operation_id: str) -> None:
        """Count a try of the request's address; raises ``TooManyAttempts``."""
        if not _LIMITER.limiter.hit(self._rate, operation_id, _network(request)):
            raise TooManyAttempts(self._rate.get_expiry())


def limited(rate: str) -> Callable[[T], T]:
    """Let one address call an endpoint so often (``10/minute``), whatever it sends; ``AuthRoute`` counts."""

    def decorate(endpoint: T) -> T:
        setattr(endpoint, _MARK, AddressLimit(rate))
        return endpoint

    return decorate


def limit_of(endpoint: object) -> AddressLimit | None:
    """Return the limit that ``limited`` has given an endpoint."""
    found: AddressLimit | None = getattr(endpoint, _MARK, None)
    return found
