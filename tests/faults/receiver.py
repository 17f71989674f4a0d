"""A real HTTP server that gets the webhooks, checks each signature, and keeps a log of all it was sent."""

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from standardwebhooks import Webhook

_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Received:
    """One request, and how it was answered."""

    at: float
    path: str
    delivery: str
    task_id: str
    status: str
    """Of the task, as the event has it."""
    is_signed: bool
    answer: int
    """The HTTP status; 0 where the answer was none."""


@dataclass(frozen=True)
class Called:
    """One request of an http_request task."""

    tenant: str
    key: str
    """Its Idempotency-Key, which is the task's id."""
    is_signed: bool


CALLED_MOODS: Final = {"called": 0.0, "called-late": 1.0}
"""Last parts of the paths that such tasks call, and after how many seconds they answer."""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.server.receiver
        _, tenant, mood = self.path.split("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        is_signed = receiver.verifies(tenant, body, headers)
        if mood in CALLED_MOODS:
            receiver.calls.append(Called(tenant, headers["idempotency-key"], is_signed))
            receiver.closing.wait(CALLED_MOODS[mood])
            _plainly(self, 200)
            return
        data = json.loads(body)["data"]
        answer = receiver.answer(mood, headers.get("webhook-id", ""))
        receiver.log.append(
            Received(time.time(), self.path, headers.get("webhook-id", ""), data["task_id"], data["status"],
                     is_signed, answer)
        )  # fmt: skip
        with contextlib.suppress(OSError):
            _MOODS.get(mood, _plainly)(self, answer)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _plainly(handler: _Handler, answer: int) -> None:
    handler.send_response(answer)
    if answer != 204:
        handler.send_header("Content-Length", "0")
    handler.end_headers()


def _hang(handler: _Handler, answer: int) -> None:
    handler.close_connection = True
    handler.server.receiver.closing.wait(40)


def _reset(handler: _Handler, answer: int) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    handler.connection.close()


def _drip(handler: _Handler, answer: int) -> None:
    handler.close_connection = True
    for letter in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000:
        handler.wfile.write(bytes([letter]))
        if handler.server.receiver.closing.wait(0.2):
            return


def _flood(handler: _Handler, answer: int) -> None:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b"x" * 100_000)


def _redirect(handler: _Handler, answer: int) -> None:
    handler.send_response(302)
    handler.send_header("Location", f"{handler.server.receiver.url}/elsewhere/ok")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


_MOODS: Final[dict[str, Callable[[_Handler, int], None]]] = {
    "hang": _hang,
    "reset": _reset,
    "drip": _drip,
    "flood": _flood,
    "redirect": _redirect,
}
_ANSWERS: Final = {"error": 500, "gone": 410, "hang": 0, "reset": 0, "drip": 0, "flood": 200, "redirect": 302}
BAD_MOODS: Final = tuple(_ANSWERS)
"""Last parts of a path, each an endpoint that misbehaves in its own way."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: "Receiver"

    def handle_error(self, *args: Any) -> None:
        """A client that is killed is no error."""


class Receiver:
    """``/<tenant>/<mood>``: ``ok`` answers 204, ``moody`` fails the first try of some deliveries; see the moods."""

    def __init__(self, seed: int) -> None:
        self.log: list[Received] = []
        self.calls: list[Called] = []
        self.closing = threading.Event()
        self._secrets: dict[str, Webhook] = {}
        self._random = random.Random(seed)
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True).start()

    def trust(self, tenant: str, secret: str) -> None:
        """Know a tenant's secret."""
        self._secrets[tenant] = Webhook(secret)

    def verifies(self, tenant: str, body: bytes, headers: dict[str, str]) -> bool:
        """Tell whether the signature holds, by the reference library."""
        try:
            self._secrets[tenant].verify(body, headers)
        except Exception:  # noqa: BLE001 whatever it is, it does not hold
            return False
        return True

    def answer(self, mood: str, delivery: str) -> int:
        """Choose the HTTP status."""
        with self._lock:
            is_first = delivery not in self._seen
            self._seen.add(delivery)
            if mood == "moody" and is_first and self._random.random() < 0.2:
                return 500
        return _ANSWERS.get(mood, 204)

    def close(self) -> None:
        """Let go of whoever hangs, and end."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
