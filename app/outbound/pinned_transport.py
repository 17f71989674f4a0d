"""Connect to addresses that were checked, send requests, and limit how much is read of each answer.

It speaks HTTP/1.1 by h11 over the event loop's own streams. httpx's client would do the same for twice the CPU.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Any, Final, SupportsIndex

import h11

from app.outbound import urls
from app.outbound.addresses import Address
from app.outbound.http import httpx

_ADDRESSES: Final = 3
_READ_BYTES: Final = 65_536
HEAD_BYTES: Final = 32_768
"""Bytes of the heads of one response, at most."""


class Meter:
    """The number of bytes that may still be read."""

    def __init__(self, left: int) -> None:
        """``left`` bytes, until more are granted."""
        self.left = left


class _CountingReader(asyncio.StreamReader):
    """A reader that knows how much has come and is not read."""

    unread = 0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take what the transport has received."""
        received = bytes(data)
        self.unread += len(received)
        super().feed_data(received)

    async def read(self, n: int = -1) -> bytes:
        """Return up to ``n`` bytes."""
        found = await super().read(n)
        self.unread -= len(found)
        return found


class PinnedConnection(httpx.AsyncByteStream):
    """A connection to an address that was checked. As a stream it is the body of the latest response.

    No proxy, redirect, cookie or credential of the environment: those belong to clients, and this has none.
    """

    def __init__(self, reader: _CountingReader, writer: asyncio.StreamWriter, address: Address) -> None:
        self.address = address
        self.has_received = False
        """True if anything came in answer to the latest request."""
        self._reader = reader
        self._writer = writer
        # The meter bounds a head. h11's own bound counts only heads that come in pieces, so the same head could be too
        # large or not.
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._meter = Meter(0)

    async def send(self, request: httpx.Request, meter: Meter) -> httpx.Response:
        """Send the request and return the response; its body is still to be read, as far as ``meter`` goes.

        Raises ``httpx.TransportError`` and ``OSError``.
        """
        self._meter, self.has_received = meter, False
        self._writer.write(self._bytes_of(request))
        # A server may answer, and close, before it has read everything: its answer counts.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        return await self._response()

    def renew(self) -> bool:
        """Prepare for another request; return whether that is possible: all was read, and both sides go on."""
        is_over = self._state.our_state is self._state.their_state is h11.DONE and not self._state.trailing_data[0]
        if not is_over or not self.is_at_rest:
            return False
        self._state.start_next_cycle()
        return True

    @property
    def is_at_rest(self) -> bool:
        """Tell whether a request may be sent on it: no side has closed it, and nothing has come that nobody asked for.

        Such bytes, a 408 for the idle time or the rest of a wrong answer, would be taken for the next answer.
        """
        return not (self._reader.unread or self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        """Close it, whatever is left to be read."""
        # abort and not close: what is left to send, or the end of TLS, must not keep the socket.
        self._writer.transport.abort()

    def _bytes_of(self, request: httpx.Request) -> bytes:
        """Return the bytes of the request, to be written at once."""
        try:
            head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
            events = [head, *([h11.Data(data=request.content)] if request.content else []), h11.EndOfMessage()]
            return b"".join(self._state.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error

    async def _response(self) -> httpx.Response:
        """Return the response with its head, once that has come."""
        while not isinstance(event := await self._event(), h11.Response):
            # 1xx answers come before the one that counts, but for the one after which there is no HTTP.
            if isinstance(event, h11.InformationalResponse) and event.status_code != httpx.codes.SWITCHING_PROTOCOLS:
                continue
            raise httpx.RemoteProtocolError("no answer to the request")
        return httpx.Response(event.status_code, headers=event.headers.raw_items(), stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the pieces of the body as they come."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def _event(self) -> object:
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                self._state.receive_data(await self._read())
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        return event

    async def _read(self) -> bytes:
        # It ends when the meter is used up: a flood of headers or of 1xx answers costs no more than that.
        read = await self._reader.read(min(_READ_BYTES, self._meter.left)) if self._meter.left > 0 else b""
        self._meter.left -= len(read)
        self.has_received = self.has_received or bool(read)
        return read


async def connect(
    context: ssl.SSLContext, url: httpx.URL, addresses: Sequence[Address], seconds: float
) -> PinnedConnection:
    """Connect to the first address that answers, and begin TLS for https, which goes by the name in the URL.

    ``seconds`` are shared out between the addresses, and are once more for TLS. Raises ``httpx.ConnectTimeout`` and
    ``httpx.ConnectError``.
    """
    some = addresses[:_ADDRESSES]
    for address in some:
        try:
            connected = await _connected(address, urls.port_of(url), seconds / len(some))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            fault = error
            continue
        return PinnedConnection(*await _streams(context, url, connected, seconds), address)
    raise fault


async def _streams(
    context: ssl.SSLContext, url: httpx.URL, connected: socket.socket, seconds: float
) -> tuple[_CountingReader, asyncio.StreamWriter]:
    if url.scheme != "https":
        return await _opened(connected)
    name = url.raw_host.decode("ascii")
    try:
        async with asyncio.timeout(seconds):
            return await _opened(connected, ssl=context, server_hostname=name)
    except TimeoutError as error:
        raise httpx.ConnectTimeout("") from error
    except OSError as error:
        raise httpx.ConnectError("") from error


async def _opened(connected: socket.socket, **tls: Any) -> tuple[_CountingReader, asyncio.StreamWriter]:
    """Do what ``asyncio.open_connection`` does, with a reader of ours."""
    loop, reader = asyncio.get_running_loop(), _CountingReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_connection(lambda: protocol, sock=connected, **tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _connected(address: Address, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(0)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(made, (str(address), port))
        _check(made, address)
    except BaseException as error:
        made.close()
        if isinstance(error, TimeoutError):
            raise httpx.ConnectTimeout("") from error
        if isinstance(error, OSError):
            raise httpx.ConnectError("") from error
        raise
    return made


def _check(made: socket.socket, address: Address) -> None:
    if ip_address(made.getpeername()[0]) != address:
        raise OSError("connected elsewhere")
