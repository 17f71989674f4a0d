"""Sign and read the cursors of lists. A cursor is opaque, and valid only for the tenant that received it."""

import base64
import hmac
import re
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from app.core.errors import InvalidCursor

# 128 bits: a MAC that nobody can guess, and a cursor that stays short.
_MAC_BYTES: Final = 16
_CURSOR: Final = re.compile(r"[A-Za-z0-9_-]{22,512}")


def derive_key(pepper: bytes) -> bytes:
    """Return the key that signs cursors. It is derived, so that the pepper itself serves one purpose only."""
    return hmac.digest(pepper, b"cursor", "sha256")


def _mac(tenant_id: UUID, position: bytes, key: bytes) -> bytes:
    return hmac.digest(key, tenant_id.bytes + position, "sha256")[:_MAC_BYTES]


def encode(tenant_id: UUID, position: str, key: bytes) -> str:
    """Return the cursor with which this tenant continues a list after ``position``."""
    raw = position.encode()
    return base64.urlsafe_b64encode(_mac(tenant_id, raw, key) + raw).rstrip(b"=").decode()


def decode(tenant_id: UUID, cursor: str, key: bytes) -> str:
    """Return the position. Raises ``InvalidCursor`` for a cursor that was not made for this tenant."""
    # The length: no base64 text has one character after whole groups of four, and the decoder would raise.
    if not _CURSOR.fullmatch(cursor) or len(cursor) % 4 == 1:
        raise _refused()
    sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    mac, position = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    # The tenant is part of the MAC, so a cursor of another tenant is refused without being stored anywhere.
    if not hmac.compare_digest(mac, _mac(tenant_id, position, key)):
        raise _refused()
    return position.decode()


def _refused() -> InvalidCursor:
    return InvalidCursor("This cursor is not valid. Start again without a cursor, and send each next_cursor unchanged.")


def next_link(url: str, cursor: str) -> str:
    """Return the Link header to the next page of ``url``, without a host: the caller chooses the Host header."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "cursor"]
    return f'<{quote(parts.path, safe="/%")}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'
