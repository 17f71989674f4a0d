"""Executes calls, and attempts them again while the service is away."""

from asyncio import sleep
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from task_queue_client.calls import Call
from task_queue_client.errors import TaskQueueError, refusal
from task_queue_client.patience import Patience, connection_failure
from task_queue_client.settings import Settings

T = TypeVar("T")

_SILENCE = 30.0
"""Seconds without a byte after which a stream is dead: the service sends one each 15 s."""


class AsyncTransport:
    """The connections to one service."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None) -> None:
        """``http`` is the caller's own client, which stays open; None makes one."""
        self._settings = settings
        self._own = http is None
        self._http = http or httpx.AsyncClient()

    @property
    def retry_seconds(self) -> float:
        """Seconds for which a call is attempted again."""
        return self._settings.retry_seconds

    @property
    def timeout(self) -> float:
        """Seconds that one answer may take."""
        return self._settings.timeout

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def call(self, call: Call[T], seconds: float | None = None) -> T:
        """Return the answer; attempt the call again for so many seconds (default: those of the client)."""
        patience = Patience(self.retry_seconds if seconds is None else seconds, is_repeatable=call.is_repeatable)
        while True:
            # Raised out here, and not where httpx failed, so that no traceback leads to frames that know the key.
            outcome = await self._attempt(call)
            if isinstance(outcome, httpx.Response):
                return call.read(outcome)
            await sleep(patience.pause_after(outcome))

    async def _attempt(self, call: Call[T]) -> httpx.Response | TaskQueueError:
        try:
            response = await self._http.request(
                call.method,
                self._settings.base_url + call.url,
                auth=self._settings.auth,
                timeout=self._settings.http_timeout,
                follow_redirects=False,
                **self._arguments(call),
            )
        except httpx.HTTPError as error:
            return connection_failure(error)
        return refusal(response) or response

    @asynccontextmanager
    async def stream(self, call: Call[T], cursor: str | None) -> AsyncIterator[httpx.Response]:
        """Open a stream of events after a cursor."""
        arguments = self._arguments(call)
        arguments["headers"] |= {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if cursor is not None:
            arguments["headers"]["Last-Event-ID"] = cursor
        connect = self._settings.http_timeout.connect
        async with self._http.stream(
            call.method,
            self._settings.base_url + call.url,
            auth=self._settings.auth,
            timeout=httpx.Timeout(self.timeout, connect=connect, read=_SILENCE),
            follow_redirects=False,
            **arguments,
        ) as response:
            yield response

    def _arguments(self, call: Call[T]) -> dict[str, Any]:
        arguments = call.arguments()
        arguments["headers"] = self._settings.headers | arguments["headers"]
        return arguments
