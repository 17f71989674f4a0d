"""Check whether a tenant's URL may be sent to, with the parser that sends to it (pure)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from app.outbound.addresses import Address, Network, is_allowed
from app.outbound.http import httpx

MAX_LENGTH: Final = 2_048
"""Characters of a tenant's URL, at most."""
LOOPBACK: Final = (ip_address("127.0.0.1"), ip_address("::1"))
"""The addresses of ``localhost``, whatever a resolver says."""

_SHAPE: Final = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[^:/?@\[\]]+)(:[0-9]{1,5})?([/?].*)?", re.IGNORECASE | re.ASCII | re.DOTALL
)
# Visible ASCII, less backslash and '#': parsers differ about them.
_CHARACTERS: Final = re.compile(rf"[!\"$-\[\]-~]{{1,{MAX_LENGTH}}}")
# A last label that begins with a letter: 127.1, 0x7f.1 and 2130706433 are addresses to a resolver.
_HOST_NAME: Final = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_HOST: Final = 253
_INTERNAL: Final = tuple(
    f".{name}"
    for name in (
        "local", "localhost", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "svc",
        "consul", "home.arpa",
    )
)  # fmt: skip
_PORTS: Final = (443, 8443)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535

_NOT_A_URL: Final = (
    f"Give a URL such as https://hooks.example.com/path: at most {MAX_LENGTH} visible ASCII characters, without user"
    " name, password, fragment or backslash."
)
_NOT_A_HOST: Final = (
    "Name a host on the internet, such as hooks.example.com: IP addresses, local and internal names are not used."
)
_NOT_HTTPS: Final = "Use https://."
_NOT_A_PORT: Final = "Use port 443 or 8443."


def validation_error(url: str, allowed: Sequence[Network]) -> str | None:
    """Return why nothing is sent to a URL, and what to do; None when it may be. The URL is not repeated.

    The addresses of its host are checked with each request (``Destinations.may_go_to``). ``allowed`` are the operator's
    networks: an address in one of them (or ``localhost``) may have any port and plain http.
    """
    parsed = _parse(url)
    if parsed is None:
        return _NOT_A_URL
    host = parsed.raw_host.decode("ascii")
    if any(is_allowed(address, allowed) for address in literal(host)):
        return None
    if not _is_public_name(host):
        return _NOT_A_HOST
    # A name may stand for a machine in an allowed network: that is seen when it is resolved.
    return None if allowed else transport_error(parsed)


def literal(host: str) -> tuple[Address, ...]:
    """Return the addresses that a host is by itself: a literal's one, those of localhost; none for other names."""
    if host == "localhost":
        return LOOPBACK
    try:
        return (ip_address(host),)
    except ValueError:
        return ()


def transport_error(url: httpx.URL) -> str | None:
    """Return why a URL is not one for the internet: its scheme, or its port."""
    if url.scheme != "https":
        return _NOT_HTTPS
    return None if port_of(url) in _PORTS else _NOT_A_PORT


def port_of(url: httpx.URL) -> int:
    """Return the port that a URL means."""
    return url.port or _DEFAULT_PORTS[url.scheme]


# The same few URLs come again and again. At most 2 MB of text are remembered.
@lru_cache(maxsize=1_000)
def _parse(url: str) -> httpx.URL | None:
    if not (_CHARACTERS.fullmatch(url) and _SHAPE.fullmatch(url)):
        return None
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None
    # The parser may write a URL longer than it was, by percent-encoding.
    is_sent_as_given = len(str(parsed)) <= MAX_LENGTH and not parsed.userinfo
    return parsed if is_sent_as_given and (parsed.port is None or 1 <= parsed.port <= _MAX_PORT) else None


def _is_public_name(host: str) -> bool:
    return len(host) <= _MAX_HOST and bool(_HOST_NAME.fullmatch(host)) and not host.endswith(_INTERNAL)
