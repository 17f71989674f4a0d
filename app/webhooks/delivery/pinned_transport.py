"""Connect to addresses that were checked, and limit how much is read from them."""

import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Final

import httpcore

from app.webhooks.addresses import Address
from app.webhooks.http import httpx

_ADDRESSES: Final = 3


class Meter:
    """The number of bytes that may still be read."""

    def __init__(self, left: int) -> None:
        """``left`` bytes, until more are granted."""
        self.left = left


class PinnedTransport(httpx.AsyncHTTPTransport):
    """Sends one request to given addresses. TLS, its certificate check and Host go by the URL's name all the same.

    No proxy, redirect, cookie or credential of the environment: those belong to clients, and this has none.
    """

    def __init__(self, context: ssl.SSLContext, addresses: Sequence[Address], meter: Meter) -> None:
        # httpx has no argument for the network backend, so its pool is replaced by one that has.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_keepalive_connections=0,
            http2=False,
            network_backend=_PinnedBackend(addresses, meter),
        )


class _PinnedBackend(httpcore.AnyIOBackend):
    def __init__(self, addresses: Sequence[Address], meter: Meter) -> None:
        self._addresses = addresses[:_ADDRESSES]
        self._meter = meter

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 it was judged by what it resolved to
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; the time is shared out between them."""
        share = timeout and timeout / len(self._addresses)
        for address in self._addresses:
            try:
                stream = await super().connect_tcp(str(address), port, share, local_address, socket_options)
                return await self._check(stream, address)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault

    async def _check(self, stream: httpcore.AsyncNetworkStream, address: Address) -> httpcore.AsyncNetworkStream:
        peer = ip_address(stream.get_extra_info("server_addr")[0])
        if peer != address:
            await stream.aclose()
            raise httpcore.ConnectError("connected elsewhere")
        return _MeteredStream(stream, self._meter)


class _MeteredStream(httpcore.AsyncNetworkStream):
    """Ends when the meter is used up: a flood of headers or of 1xx answers costs no more than that."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 the interface's
        if self._meter.left <= 0:
            return b""
        read = await self._stream.read(min(max_bytes, self._meter.left), timeout)
        self._meter.left -= len(read)
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 the interface's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 the interface's
    ) -> httpcore.AsyncNetworkStream:
        encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _MeteredStream(encrypted, self._meter)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
