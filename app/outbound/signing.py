"""Signatures of Standard Webhooks 1.0.0 (pure)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

_PREFIX: Final = "whsec_"


def key(secret: str) -> bytes:
    """Return the HMAC key that a secret (``whsec_`` and base64) spells; raises ``ValueError``."""
    found = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not (secret.startswith(_PREFIX) and found):
        message = "not a webhook secret"
        raise ValueError(message)
    return found


def headers(message_id: UUID, moment: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that sign one attempt, with a signature for each key.

    ``message_id`` is the same for all attempts to send it, ``moment`` is this attempt's.

    Raises ``ValueError`` without a key: nothing is sent unsigned.
    """
    if not keys:
        message = "no key to sign with"
        raise ValueError(message)
    # Both parts are digits and letters only: neither can contain the dot that separates them.
    webhook_id, timestamp = f"msg_{message_id.hex}", str(int(moment.timestamp()))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(signed, one) for one in keys),
    }


def _signature(signed: bytes, with_key: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(with_key, signed, hashlib.sha256)).decode()
