"""What the tests of events share: a client of streams, and events that are rows only."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.conftest import Tenant, wait_until


@dataclass
class Message:
    """One block of a stream."""

    id: str | None = None
    data: str = ""
    comment: str | None = None

    def json(self) -> dict[str, Any]:
        """Return the event."""
        return dict(json.loads(self.data))


@dataclass
class Recorder:
    """A stream that is read in a thread; what has arrived so far is in ``messages``."""

    response: httpx.Response
    messages: list[Message] = field(default_factory=list)
    has_ended: bool = False
    error: Exception | None = None

    def read(self) -> None:
        """Read until the stream ends or is cut."""
        message = Message()
        try:
            for line in self.response.iter_lines():
                if not line:
                    self.messages.append(message)
                    message = Message()
                elif line.startswith("id: "):
                    message.id = line[4:]
                elif line.startswith("data: "):
                    message.data += line[6:]
                elif line.startswith(":"):
                    message.comment = line[1:].strip()
                else:
                    raise AssertionError(line)
        except (httpx.HTTPError, httpx.StreamError) as error:
            self.error = error
        self.has_ended = True

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events that have arrived."""
        return [message.json() for message in list(self.messages) if message.data]

    @property
    def last_id(self) -> str | None:
        """Return the last event id, as an EventSource keeps it."""
        return next((message.id for message in reversed(self.messages) if message.id), None)

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many events."""
        wait_until(lambda: len(self.events) >= count, f"{count} events of a stream, not {len(self.events)}")
        return self.events


@contextmanager
def streaming(
    url: str, key: str | None = None, path: str = "/api/events", headers: dict[str, str] | None = None, **params: Any
) -> Iterator[Recorder]:
    """Open a stream that must be answered 200, and read it in a thread until the end of the block."""
    sent = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {key}"} if key else {}) | (headers or {})
    with (
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
        client.stream("GET", path, headers=sent, params=params) as response,
    ):
        assert response.status_code == 200, response.read()
        recorder = Recorder(response)
        thread = threading.Thread(target=recorder.read, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            _cut(response)
            thread.join(20)


def _cut(response: httpx.Response) -> None:
    """Cut the connection of a response that another thread is reading."""
    stream = response.extensions["network_stream"]
    sock = stream.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def page(tenant: Tenant, **params: Any) -> dict[str, Any]:
    """Return a page of the tenant's events."""
    response = tenant.client.get("/api/events", params=params)
    assert response.status_code == 200, response.text
    return dict(response.json())


def all_events(tenant: Tenant, **params: Any) -> list[dict[str, Any]]:
    """Return all events of the tenant, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        got = page(tenant, **params)
        found += got["items"]
        if got["next_cursor"] == params.get("after"):
            return found
        params["after"] = got["next_cursor"]
