# ruff: noqa: INP001  # a program to copy, not a package
"""Receives webhooks, prints each event whose signature holds, refuses the rest: nothing but the standard library.

WEBHOOK_SECRET=whsec_… python3 receive_webhook.py [PORT] [--once]
"""

import base64
import contextlib
import hmac
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE = 300  # seconds


def is_signed(webhook_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Tell whether one of the signatures is ours, and recent; ``body`` must be the bytes as they came."""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    digest = hmac.digest(KEY, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    return any(hmac.compare_digest(expected, given.encode()) for given in signatures.split())


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is signed, 400 to anything else."""

    events = 0

    def do_POST(self) -> None:
        """Verify first; only then read what it says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        webhook_id, timestamp, signatures = (self.headers.get(name, "") for name in names)
        signed = is_signed(webhook_id, timestamp, signatures, body)
        self.send_response(204 if signed else 400)
        self.end_headers()
        if signed:
            Receiver.events += 1
            print("verified", webhook_id, body.decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--once"]
    server = HTTPServer(("127.0.0.1", int(arguments[0]) if arguments else 9000), Receiver)
    with contextlib.suppress(KeyboardInterrupt):
        while not ("--once" in sys.argv and Receiver.events):
            server.handle_request()
