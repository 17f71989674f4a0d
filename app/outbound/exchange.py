"""Send one HTTP request to addresses that were checked, and open its response. No other module sends HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias
from uuid import UUID

from app.outbound import pinned_transport, urls
from app.outbound.addresses import Address
from app.outbound.http import httpx
from app.outbound.kept_connections import KeptConnections, Origin
from app.outbound.pinned_transport import Meter, PinnedConnection
from app.outbound.resolver import Resolver

MayGoTo: TypeAlias = Callable[[httpx.URL, Address], bool]
"""Tells whether a request to a URL may connect to an address of its host."""

CONNECT_TIMEOUT: Final = 3.0
FAULTS: Final = (httpx.TransportError, OSError)
"""The errors of an exchange when the network or the other side fails; ``describe`` has words for them."""


class NoAddressError(Exception):
    """The host has no address that may be connected to. No connection was made.

    It says nothing more, so that a tenant learns nothing of our network: the host name may be unknown, slow, private or
    half private.
    """


class Exchanges:
    """Sends requests for one process. From one request to the next it keeps connections only: close it at the end."""

    def __init__(
        self, may_go_to: MayGoTo, *, resolver: Resolver | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        """``may_go_to`` judges each address of a host. The rest is for other surroundings."""
        self._may_go_to = may_go_to
        self._resolver = resolver or Resolver()
        # Variables such as SSL_CERT_FILE are for the operator's programs, and must not decide whom tenants trust.
        self._context = context or httpx.create_ssl_context(trust_env=False)
        # A server that may choose would answer in HTTP/2, which h11 does not speak.
        self._context.set_alpn_protocols(["http/1.1"])
        self._kept = KeptConnections()

    @asynccontextmanager
    async def open(
        self, tenant_id: UUID, request: httpx.Request, *, until: float, max_body_bytes: int
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; the body of the response is still to be read, up to about ``max_body_bytes``.

        ``until`` is a time of the loop by which the head must have come. Raises ``NoAddressError``, ``NoThreadError``
        if the host could not be looked up yet, ``TimeoutError``, and one of ``FAULTS``.
        """
        async with asyncio.timeout_at(until):
            addresses = await self._addresses(tenant_id, request.url)
        if not addresses:
            raise NoAddressError
        origin, meter = Origin.of(tenant_id, request.url), Meter(pinned_transport.HEAD_BYTES)
        connection: PinnedConnection | None = None
        try:
            async with asyncio.timeout_at(until):
                connection, response = await self._send(origin, request, addresses, meter)
            meter.left = max_body_bytes
            yield response
        finally:
            if connection is not None:
                self._kept.give(origin, connection)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    async def _send(
        self, origin: Origin, request: httpx.Request, addresses: Sequence[Address], meter: Meter
    ) -> tuple[PinnedConnection, httpx.Response]:
        if (kept := self._kept.take(origin, addresses)) is not None:
            try:
                return kept, await _send_on(kept, request, meter)
            except (httpx.RemoteProtocolError, ConnectionError):
                # The server has closed it just now, most likely without a look at the request: this is no attempt. It
                # may have seen it all the same, so only requests that may come twice are sent on kept connections.
                if kept.has_received:
                    raise
        connection = await pinned_transport.connect(self._context, request.url, addresses, CONNECT_TIMEOUT)
        return connection, await _send_on(connection, request, meter)

    async def _addresses(self, tenant_id: UUID, url: httpx.URL) -> Sequence[Address]:
        host = url.raw_host.decode("ascii")
        if known := urls.literal(host):
            return [address for address in known if self._may_go_to(url, address)]
        try:
            found = await self._resolver.addresses(tenant_id, host)
        except TimeoutError:
            return ()
        # One forbidden address is enough to refuse the name: its owner chooses which one a connection would take.
        return found if all(self._may_go_to(url, address) for address in found) else ()


async def _send_on(connection: PinnedConnection, request: httpx.Request, meter: Meter) -> httpx.Response:
    try:
        return await connection.send(request, meter)
    except BaseException:
        connection.close()
        raise


def request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, user_agent: str) -> httpx.Request:
    """Return a request with the headers that all of ours have. ``headers`` come on top of them.

    The connection is closed after it, unless they say ``Connection: keep-alive``. Then the request may be sent twice.
    """
    # Nothing is decompressed: a small answer could become a large one.
    all_headers = httpx.Headers(
        {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
    )
    # It replaces a header whose name differs in its case only, so that none is sent twice.
    all_headers.update(headers)
    return httpx.Request(method, url, headers=all_headers, content=body)


def is_unreachable(fault: Exception) -> bool:
    """Tell whether one of ``FAULTS`` means that there was no connection: it was refused, or nobody answered."""
    return isinstance(fault, httpx.ConnectTimeout) or (
        isinstance(fault, httpx.ConnectError) and not isinstance(_cause(fault), ssl.SSLError)
    )


def describe(fault: Exception) -> str:
    """Return one of ``FAULTS`` in words that the tenant may read."""
    match fault:
        case httpx.ConnectTimeout():
            return f"There was no connection within {CONNECT_TIMEOUT:g} s."
        case httpx.ConnectError():
            return _describe_refusal(fault)
        case httpx.RemoteProtocolError():
            return "The answer was not HTTP, or it ended early."
        case _:
            return "The connection broke before there was an answer."


def _describe_refusal(fault: httpx.ConnectError) -> str:
    cause = _cause(fault)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid for this host: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "There was no TLS connection."
    return "The connection was refused."


def _cause(fault: httpx.ConnectError) -> object:
    return fault.__cause__
