"""Decide where a request to a URL of a tenant may go: one rule for webhooks, of both kinds, and for http_request."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address
from typing import Self
from urllib.parse import urlsplit

from app.core.config import Settings
from app.db import primary
from app.outbound import urls
from app.outbound.addresses import Address, Network, is_allowed, is_public
from app.outbound.http import httpx

_POSTGRES_PORT = 5432
_REDIS_PORT = 6379
# Nothing is sent to it.
_ANY_PORT = 9


class Destinations:
    """The addresses that requests may go to, in one process."""

    def __init__(self, allowed: Sequence[Network], own_ports: frozenset[int]) -> None:
        """``allowed`` networks are not public. Even there nothing goes to ``own_ports``."""
        self._allowed = allowed
        self._own_ports = own_ports

    @classmethod
    def of(cls, settings: Settings, allowed: Sequence[Network]) -> Self:
        """Return the destinations in these networks and on the internet."""
        return cls(allowed, own_ports(settings))

    def validation_error(self, url: str) -> str | None:
        """Return why nothing is sent to a URL, and what to do; None when it may be (``urls.validation_error``)."""
        return urls.validation_error(url, self._allowed)

    def may_go_to(self, url: httpx.URL, address: Address) -> bool:
        """Tell whether a request to the URL may connect to an address of its host."""
        if is_allowed(address, self._allowed):
            # The operator's own services may be in an allowed network. A tenant must not reach ours there.
            return urls.port_of(url) not in self._own_ports
        return is_public(address) and urls.transport_error(url) is None and not is_own(address)


def is_own(address: Address) -> bool:
    """Tell whether an address is one of this machine's. Nothing is sent: the kernel only chooses a route.

    For an address of its own it chooses that address as the source, too.
    """
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))
            return ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except OSError:
        # There is no route, so no connection can be made either.
        return False


def own_ports(settings: Settings) -> frozenset[int]:
    """Return the ports of the service itself: those that the operator names, and those of Postgres and Redis."""
    named = (getattr(settings, name) for name in Settings.model_fields if name.startswith("database_url"))
    databases = [url for one in named if one for url in primary.split(one)]
    ports = {urlsplit(url).port or _POSTGRES_PORT for url in databases}
    return frozenset({*settings.own_ports, *ports, urlsplit(settings.redis_url).port or _REDIS_PORT})
