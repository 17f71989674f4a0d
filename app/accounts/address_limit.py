"""Limit how often one network address may call an operation that needs no credentials (through slowapi)."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final, TypeVar

from limits import parse
from slowapi import Limiter
from starlette.requests import Request

from app.core.errors import TooManyAttempts

T = TypeVar("T")

_ATTRIBUTE: Final = "address_limit"


def _network(request: Request) -> str:
    # Only the connection's own address counts, because a client can write anything into a header. An IPv6 client
    # usually owns a whole /64, so all addresses of it count as one.
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host or "unknown"
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return str(IPv6Address(int(address) >> 64 << 64))
    return host


# The counters are in the memory of this process: slowapi would ask a shared store synchronously, on the event loop.
# We use its counter only. Its middleware limits nothing on included routers, and its decorator counts only requests
# whose body was read and is valid, whereas each attempt must count.
_LIMITER: Final = Limiter(key_func=_network, storage_uri="memory://", strategy="moving-window", headers_enabled=False)


class AddressLimit:
    """Counts the calls of one address to an operation."""

    def __init__(self, rate: str) -> None:
        """``rate`` has the form ``10/minute``."""
        self._rate = parse(rate)

    def count(self, request: Request, operation_id: str) -> None:
        """Count a call from the request's address. Raises ``TooManyAttempts``."""
        # Each operation counts by itself, so that many logins do not block the exchange of keys.
        if not _LIMITER.limiter.hit(self._rate, operation_id, _network(request)):
            raise TooManyAttempts(self._rate.get_expiry())


def limited(rate: str) -> Callable[[T], T]:
    """Mark an endpoint with the rate (``10/minute``) at which one address may call it; ``AuthRoute`` counts."""

    def decorate(endpoint: T) -> T:
        # Only a mark, so that FastAPI still sees the endpoint's own parameters.
        setattr(endpoint, _ATTRIBUTE, AddressLimit(rate))
        return endpoint

    return decorate


def limit_of(endpoint: object) -> AddressLimit | None:
    """Return the limit with which ``limited`` has marked an endpoint."""
    found: AddressLimit | None = getattr(endpoint, _ATTRIBUTE, None)
    return found
