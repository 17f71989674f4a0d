"""A TCP proxy that hurts: it delays, cuts, resets, swallows. It runs on a thread of its own, on real sockets."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """What is done to bytes; it can be changed at any time, for connections that there are too."""

    delay_seconds: float = 0.0
    """Added to each chunk, in each direction."""
    reset_after_bytes: int | None = None
    """Of a connection, both directions counted: then it is reset (RST)."""
    is_swallowing: bool = False
    """Half-open: what is sent is read and goes nowhere, and nothing is closed."""
    is_refusing: bool = False
    """New connections are closed at once."""
    cut_at: bytes | None = None
    """A client's chunk that holds it is passed on; the answer is not: the connection is reset instead."""
    is_holding_ends: bool = False
    """When the server has closed a connection, its last words pass, and the end does not: the client is not closed."""
    cut_share: float = 1.0
    """Of such chunks."""
    idle_seconds: float | None = None
    """A connection on which nothing passes for so long is reset."""


class Proxy:
    """Forwards 127.0.0.1:``port`` to a port of the same address."""

    def __init__(self, target: int) -> None:
        self.weather = Weather()
        self.cuts = 0
        """Connections that were reset."""
        self.held_ends = 0
        self._target = target
        self._open: set[_Line] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)

    def clear(self) -> None:
        """Let everything pass again; what was swallowed is lost, so lines that lost bytes are reset."""
        self.weather = Weather()
        asyncio.run_coroutine_threadsafe(self._reset(only_damaged=True), self._loop).result(5)

    def reset_all(self) -> None:
        """Reset every connection there is."""
        asyncio.run_coroutine_threadsafe(self._reset(only_damaged=False), self._loop).result(5)

    def close(self) -> None:
        """End it."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def _reset(self, *, only_damaged: bool) -> None:
        for line in list(self._open):
            if line.is_damaged or not only_damaged:
                line.reset()

    async def _end(self) -> None:
        self._server.close()
        for line in list(self._open):
            line.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, (reader, far_writer), (far_reader, writer))
        self._open.add(line)
        try:
            await line.run()
        finally:
            self._open.discard(line)
            line.close()


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection: what the client sends, and what it is answered."""

    def __init__(self, proxy: Proxy, there: _End, back: _End) -> None:
        self._proxy = proxy
        self._there, self._back = there, back
        self._bytes = 0
        self._latest = time.monotonic()
        self._is_cutting = False
        self.is_damaged = False

    async def run(self) -> None:
        pumps = [
            asyncio.ensure_future(self._pump(self._there, is_client=True)),
            asyncio.ensure_future(self._pump(self._back, is_client=False)),
        ]
        watch = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            self._proxy.held_ends += self._proxy.weather.is_holding_ends
            while self._proxy.weather.is_holding_ends:
                self.is_damaged = True
                await asyncio.sleep(0.01)
        finally:
            watch.cancel()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            allowed = self._proxy.weather.idle_seconds
            if allowed is not None and time.monotonic() - self._latest > allowed:
                self.reset()
                return
            await asyncio.sleep(0.05)

    async def _pump(self, end: _End, *, is_client: bool) -> None:
        reader, writer = end
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                weather, self._latest = self._proxy.weather, time.monotonic()
                if weather.is_swallowing:
                    self.is_damaged = True
                    continue
                if weather.delay_seconds:
                    await asyncio.sleep(weather.delay_seconds)
                if self._is_to_end(weather, data, is_client=is_client):
                    self.reset()
                    return
                writer.write(data)
                await writer.drain()

    def _is_to_end(self, weather: Weather, data: bytes, *, is_client: bool) -> bool:
        if self._is_cutting and not is_client:
            return True
        if is_client and weather.cut_at is not None and weather.cut_at in data:
            self._is_cutting = random.random() < weather.cut_share
        self._bytes += len(data)
        return weather.reset_after_bytes is not None and self._bytes > weather.reset_after_bytes

    def reset(self) -> None:
        """Close so that the client sees a reset, not an end."""
        self._proxy.cuts += 1
        near = self._back[1].get_extra_info("socket")
        if near is not None:
            with contextlib.suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        for _, writer in (self._there, self._back):
            writer.transport.abort()
