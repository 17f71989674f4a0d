"""A real HTTP server that records what it is sent, and answers as a test tells it to: well, badly, or never."""

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from standardwebhooks import Webhook

from tests.conftest import wait_until

Response: TypeAlias = Callable[["Handler"], None]


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    method: str = "POST"

    @property
    def delivery(self) -> str:
        """The webhook-id."""
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """Return the event, verified by the reference library; raises its ``WebhookVerificationError``."""
        return Webhook(secret).verify(self.body, self.headers)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.note(Received(self.path, headers, body, time.monotonic(), self.command))
        try:
            with suppress(OSError):
                answer(self)
        finally:
            self.server.receiver.leave(self.path)

    # Named by the library.
    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

    def hang(self) -> None:
        """Wait until the receiver lets go."""
        self.server.receiver.let_go.wait(60)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: "Receiver"

    def get_request(self) -> Any:
        self.receiver.connections += 1
        return super().get_request()

    def handle_error(self, *args: Any) -> None:
        """A client that leaves is no error."""


class Receiver:
    """The server. A path answers 204 unless it is told otherwise."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.let_go = threading.Event()
        self.connections = 0
        self._answers: dict[str, list[Response]] = {}
        self._now: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.receiver = self
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def on(self, path: str, *answers: Response) -> str:
        """Answer requests of a path one after the other, the last for ever; return the URL."""
        self._answers[path] = list(answers)
        return f"{self.url}{path}"

    def note(self, received: Received) -> Response:
        with self._lock:
            self.requests.append(received)
            path = received.path.partition("?")[0]
            self._now[path] = self._now.get(path, 0) + 1
            self._most[path] = max(self._most.get(path, 0), self._now[path])
            answers = self._answers.get(path, [status(204)])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def leave(self, path: str) -> None:
        with self._lock:
            self._now[path.partition("?")[0]] -= 1

    def most_at_once(self, path: str) -> int:
        """The most requests of a path that were under way together."""
        return self._most.get(path, 0)

    def got(self, path: str) -> list[Received]:
        """What came to a path."""
        return [one for one in self.requests if one.path.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1, seconds: float = 15) -> list[Received]:
        """Wait until so many requests have come."""
        wait_until(lambda: len(self.got(path)) >= count, f"{count} requests to {path}", seconds)
        return self.got(path)

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    """Answer a status."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if code != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang(handler: Handler) -> None:
    """Answer 204 when the test ends, or the receiver is told to let go."""
    handler.hang()
    status(204)(handler)


def raw(*pieces: bytes, pause: float = 0.0) -> Response:
    """Write pieces to the connection, and close it."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        for piece in pieces:
            handler.wfile.write(piece)
            if handler.server.receiver.let_go.wait(pause):
                return

    return answer


def flood(head: bytes, piece: bytes) -> Response:
    """Write a piece again and again until the client has had enough."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        while not handler.server.receiver.let_go.is_set():
            handler.wfile.write(piece * 500)

    return answer
