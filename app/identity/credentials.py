"""Read the one credential of a request from its headers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import InvalidCredentials, Unauthenticated

REALM: Final = 'Bearer realm="task-queue"'
"""The start of every WWW-Authenticate header."""
_API_KEY: Final = b"x-api-key"
# The headers that may carry credentials. Both together are refused.
_NAMES: Final = frozenset({b"authorization", _API_KEY})


def read(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the one credential that was sent. Raises ``InvalidCredentials`` and ``Unauthenticated``."""
    sent = [header for header in headers if header[0] in _NAMES]
    # A proxy in front and this process may each read another one of two credentials, so neither is accepted.
    if len(sent) > 1:
        raise InvalidCredentials(
            "Credentials were sent more than once. Send one Authorization header or one X-API-Key header.",
            headers={"WWW-Authenticate": f'{REALM}, error="invalid_request"'},
        )
    name, value = sent[0] if sent else (_API_KEY, b"")
    text = value.decode("latin-1")
    scheme, _, found = ("bearer", "", text) if name == _API_KEY else text.partition(" ")
    if scheme.lower() != "bearer" or not found.strip():
        detail = "Send an API key or a token as Authorization: Bearer <…>, or an API key as X-API-Key."
        raise Unauthenticated(detail, headers={"WWW-Authenticate": REALM})
    if name == _API_KEY and "." in found:
        # Only a token contains a dot, and tokens are not accepted in X-API-Key.
        raise invalid()
    return found.strip()


def invalid() -> Unauthenticated:
    """Return the error for invalid credentials, whatever is wrong with them."""
    return Unauthenticated(
        "This API key or token is invalid, expired or revoked. Send a valid one.",
        headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
    )
