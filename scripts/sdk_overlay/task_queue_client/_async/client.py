"""The client itself."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, Unpack

import httpx

from task_queue_client.calls import Call
from task_queue_client.models import Event, EventFilter, EventPage
from task_queue_client.settings import settings

from .account import AsyncAccount, AsyncErrors, AsyncKeys, AsyncMembers, AsyncOperations, AsyncQueue
from .paging import pages
from .schedules import AsyncSchedules
from .streams import AsyncEventStream
from .task_types import AsyncTaskTypes
from .tasks import AsyncTasks
from .transport import AsyncTransport
from .webhooks import AsyncWebhooks
from .worker import AsyncWorker


class AsyncTaskQueue(AsyncAccount):
    """A client of the Task Queue Worker API; use it in a ``with`` block, or call ``close``.

    It attempts calls again while the service is away or asks for a pause. Everything that it raises is a
    ``TaskQueueError``, but for ``ValueError`` and ``TypeError`` of arguments that no call can have.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = 40.0,
        retry_seconds: float = 60.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Make a client of a service.

        ``api_key`` and ``base_url`` come from ``TASK_QUEUE_KEY`` and ``TASK_QUEUE_URL`` if they are missing.
        ``timeout`` is in seconds, and counts for each answer. For ``retry_seconds`` a call is attempted again; 0 stands
        for one attempt. ``http`` is an HTTP client of your own, for proxies and certificates.
        """
        chosen = settings(api_key, base_url, timeout, retry_seconds)
        self.base_url = chosen.base_url
        """Where the service is."""
        super().__init__(AsyncTransport(chosen, http))
        self.tasks = AsyncTasks(self._transport)
        self.task_types = AsyncTaskTypes(self._transport)
        self.schedules = AsyncSchedules(self._transport, self.tasks)
        self.operations = AsyncOperations(self._transport)
        self.errors = AsyncErrors(self._transport)
        self.queue = AsyncQueue(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.keys = AsyncKeys(self._transport)
        self.members = AsyncMembers(self._transport)

    def __repr__(self) -> str:
        """Show the service, and not the key."""
        # A client whose settings were refused has none, and is shown by the traceback of that.
        return f"{type(self).__name__}(base_url={getattr(self, 'base_url', None)!r})"

    async def __aenter__(self) -> Self:
        """Use the client in a block that closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connections. A client of your own that you gave as ``http`` stays open."""
        await self._transport.close()

    def worker(
        self,
        name: str,
        *,
        concurrency: int = 1,
        lease_seconds: int = 60,
        grace_seconds: float = 25.0,
        version: str | None = None,
    ) -> AsyncWorker:
        """Return a worker for task types of your own; the key needs the scope ``tasks:work``.

        It runs up to ``concurrency`` tasks at once. After a stop they have ``grace_seconds`` to end; those that still
        run are given back then. ``version`` is shown to people.
        """
        return AsyncWorker(
            self._transport,
            name,
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            version=version,
        )

    def past_events(self, *, after: str | None = None, **filters: Unpack[EventFilter]) -> AsyncIterator[Event]:
        """Iterate over the events that are kept, from the oldest or after a cursor, up to now."""
        call = Call[EventPage]("list_events", EventPage, query={**filters, "after": after})
        return pages(self._transport, call, "after", is_open=True)

    def events(self, *, after: str | None = None, **filters: Unpack[EventFilter]) -> AsyncEventStream[Event]:
        """Iterate over the events of all tasks as they happen; it does not end, and a cut connection is resumed.

        It begins now, or after the cursor of an earlier stream.
        """
        call = Call[Event]("list_events", Event, query=dict(filters))
        return AsyncEventStream(self._transport, call, lambda _: False, after)
