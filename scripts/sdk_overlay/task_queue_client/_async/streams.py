"""Events as they happen, over as many connections as it takes."""

import json
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from task_queue_client.calls import Call
from task_queue_client.errors import ConnectionFailedError, TaskQueueError, UnexpectedAnswerError, refusal
from task_queue_client.patience import Patience, connection_failure
from task_queue_client.reading import reader
from task_queue_client.server_sent_events import Message, Parser

from .transport import AsyncTransport

E = TypeVar("E")

_NOTHING_MORE = 204
_OK = 200


class AsyncEventStream(Generic[E]):
    """Iterate over it to get the events. A cut connection is resumed: no event is missed, and none comes twice.

    Store ``cursor`` together with what you have done for an event, and give it as ``after`` to go on there later.
    In a ``with`` block the stream is open from its beginning, so that it has what happens in the block, and is closed
    at its end. Without one it opens with the first event that you ask for; call ``close`` if you leave before its end.
    """

    def __init__(
        self, transport: AsyncTransport, call: Call[E], ends: Callable[[E], bool], after: str | None = None
    ) -> None:
        """``ends`` tells whether an event is the last one."""
        self.cursor: str | None = after
        """The place in the stream after the last event; None before the first connection."""
        self._transport = transport
        self._call = call
        self._ends = ends
        self._events = self._follow()
        self._waiting: list[E] = []
        self._is_open = False

    def __aiter__(self) -> AsyncIterator[E]:
        """Go on behind the last event."""
        return self

    async def __anext__(self) -> E:
        """Return the next event, as soon as there is one."""
        self._is_open = True
        if self._waiting:
            return self._waiting.pop()
        while (event := await self._events.__anext__()) is None:
            pass
        return event

    async def open(self) -> None:
        """Open the stream, if it is not: what happens from now on is in it."""
        if not self._is_open:
            self._is_open = True
            async for event in self._events:
                # A stream begins with a place and no event; that of one task may begin with an event.
                if event is not None:
                    self._waiting.append(event)
                break

    async def __aenter__(self) -> Self:
        """Open the stream for a block that closes it."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[E | None, None]:
        patience = Patience(self._transport.retry_seconds)
        while True:
            failure: TaskQueueError | None = None
            try:
                async with self._transport.stream(self._call, self.cursor) as response:
                    if response.status_code == _NOTHING_MORE:
                        return
                    failure = await _refusal(response)
                    if failure is None:
                        async for event in self._read(response, patience):
                            yield event
                            if event is not None and self._ends(event):
                                return
            except httpx.HTTPError as error:
                failure = connection_failure(error)
            await sleep(patience.pause_after(failure or ConnectionFailedError("the stream was closed")))

    async def _read(self, response: httpx.Response, patience: Patience) -> AsyncIterator[E | None]:
        parser = Parser()
        async for chunk in response.aiter_bytes():
            patience.succeeded()
            for message in parser.feed(chunk):
                self.cursor = message.id or self.cursor
                yield None if message.data is None else self._event(message)

    def _event(self, message: Message) -> E:
        try:
            found: Any = reader(self._call.answer)(json.loads(message.data or ""))
        except (ValueError, TypeError, AttributeError):
            raise UnexpectedAnswerError(_OK, "an event that cannot be read") from None
        event: E = found
        return event


async def _refusal(response: httpx.Response) -> TaskQueueError | None:
    if response.headers.get("content-type", "").startswith("text/event-stream") and response.status_code == _OK:
        return None
    await response.aread()
    return refusal(response) or UnexpectedAnswerError(response.status_code, "it is no stream of events")
