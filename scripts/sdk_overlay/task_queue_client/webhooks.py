"""Receiving webhooks (Standard Webhooks 1.0.0); needs nothing but the standard library."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

TOLERANCE = 300.0
"""Seconds that a delivery's time may differ from ours, both ways."""
REMEMBERED = 7 * 86_400.0
"""Seconds for which an event's id is kept: longer than its delivery is tried."""

_PREFIX = "whsec_"
_VERSION = b"v1,"
_LONGEST_TIMESTAMP = 12


class WebhookVerificationError(Exception):
    """The request is not a webhook of the service, is too old, or cannot be read: answer 400 and do nothing."""


@dataclass(frozen=True)
class WebhookEvent:
    """What happened."""

    id: str
    """The same on every try of one event."""
    type: str
    """``task.succeeded``, ``task.failed`` or ``task.revoked``."""
    timestamp: str
    """When it happened, ISO 8601."""
    data: dict[str, Any]


class Headers(Protocol):
    """The headers of a request: a dict, or what the framework has, such as the ``self.headers`` of ``http.server``."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the names with their values."""


class ReplayStore(Protocol):
    """Remembers the ids of events; in Redis, ``SET id 1 NX EX seconds`` and ``DEL id``."""

    def remember(self, webhook_id: str, seconds: float) -> bool:
        """Keep an id for so long, in one atomic step; tell whether it was new."""

    def forget(self, webhook_id: str) -> None:
        """Let an id be new again."""


class MemoryReplayStore:
    """Ids in the memory of one process: for trying, and for receivers of one process."""

    def __init__(self) -> None:
        """Begin with no id."""
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def remember(self, webhook_id: str, seconds: float) -> bool:
        """Keep an id for so long; tell whether it was new."""
        now = time.monotonic()
        with self._lock:
            self._until = {known: until for known, until in self._until.items() if until > now}
            is_new = webhook_id not in self._until
            self._until.setdefault(webhook_id, now + seconds)
        return is_new

    def forget(self, webhook_id: str) -> None:
        """Let an id be new again."""
        with self._lock:
            self._until.pop(webhook_id, None)


def verify_webhook(body: bytes | str, headers: Headers, secret: str, *, now: float | None = None) -> WebhookEvent:
    """Return the event of a request whose signature is valid.

    ``body`` is the request's as it came, not parsed and written again; ``now`` is a Unix time (default: the clock's).
    Raises ``WebhookVerificationError`` for everything else. The same event may come more than once: see
    ``receive_webhook``.
    """
    try:
        given = {name.lower(): value for name, value in headers.items()}
        webhook_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        content = body.encode() if isinstance(body, str) else bytes(body)
        _check_id(webhook_id)
        _check_time(timestamp, time.time() if now is None else now)
        _check_signature(f"{webhook_id}.{timestamp}.".encode() + content, given["webhook-signature"], _key(secret))
        return _event(webhook_id, json.loads(content))
    except KeyError as missing:
        raise WebhookVerificationError(f"{missing} is missing") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WebhookVerificationError(f"not a webhook: {type(error).__name__}") from None


@contextmanager
def receive_webhook(
    body: bytes | str, headers: Headers, secret: str, store: ReplayStore
) -> Iterator[WebhookEvent | None]:
    """Yield an event once: None when it was received before, which is to be answered with 2xx all the same.

    An exception in the block lets the event be new again: answer 5xx, and it is delivered once more. A receiver that
    must not lose an event to its own crash stores the id and what it does in one transaction, and needs only
    ``verify_webhook``.
    """
    event = verify_webhook(body, headers, secret)
    if not store.remember(event.id, REMEMBERED):
        yield None
        return
    try:
        yield event
    except BaseException:
        store.forget(event.id)
        raise


def _check_id(webhook_id: str) -> None:
    # The signed text is joined by dots: one in the id would let its end be read as a timestamp.
    if not webhook_id or "." in webhook_id:
        raise WebhookVerificationError("webhook-id is not usable")


def _check_time(timestamp: str, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
        raise WebhookVerificationError("webhook-timestamp is not a Unix time")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise WebhookVerificationError("webhook-timestamp is too old, or too new")


def _check_signature(signed: bytes, signatures: str, key: bytes) -> None:
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = [one.removeprefix(_VERSION) for one in signatures.encode().split(b" ") if one.startswith(_VERSION)]
    # Several while a secret is being replaced; each is compared in constant time.
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise WebhookVerificationError("no signature is valid")


def _key(secret: str) -> bytes:
    text = secret.strip().removeprefix(_PREFIX)
    key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    if not key:
        raise WebhookVerificationError("the secret is empty")
    return key


def _event(webhook_id: str, payload: Any) -> WebhookEvent:
    event = WebhookEvent(webhook_id, payload["type"], payload["timestamp"], payload["data"])
    if not (isinstance(event.type, str) and isinstance(event.timestamp, str) and isinstance(event.data, dict)):
        raise WebhookVerificationError("the body is not an event")
    return event
