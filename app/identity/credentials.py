"""Read the one credential of a request: from its headers, or from the URL for a token that may only read one task."""

from collections.abc import MutableMapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from app.core.errors import InvalidCredentials, Unauthenticated

REALM: Final = 'Bearer realm="task-queue"'
"""The start of every WWW-Authenticate header."""
_API_KEY: Final = b"x-api-key"
# The headers that may carry credentials. Both together are refused.
_NAMES: Final = frozenset({b"authorization", _API_KEY})
STREAM_TOKEN: Final = "access_token"  # noqa: S105 a name
"""The query parameter for a token that may only read one task: an EventSource of a browser can send no header."""


class Credential(NamedTuple):
    """A credential as it was sent."""

    text: str
    is_stream_token: bool = False


def of(scope: MutableMapping[str, Any]) -> Credential:
    """Return the one credential of a request. Raises ``InvalidCredentials`` and ``Unauthenticated``."""
    token: Credential | None = scope["state"].get("stream_token")
    return token or Credential(read(scope["headers"]))


def take_stream_token(scope: MutableMapping[str, Any]) -> bool:
    """Move the token out of the URL of a request; return whether there was one. For calls that accept such tokens.

    No later reader of the URL, for example a log, sees the token. Raises ``InvalidCredentials`` for two credentials.
    """
    # Most requests have none, and are not parsed twice.
    if STREAM_TOKEN.encode() not in scope["query_string"]:
        return False
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    tokens = [value for name, value in pairs if name == STREAM_TOKEN]
    if not tokens:
        return False
    rest = [(name, value) for name, value in pairs if name != STREAM_TOKEN]
    scope["query_string"] = urlencode(rest, encoding="latin-1", errors="replace").encode()
    if len(tokens) > 1 or any(name in _NAMES for name, _ in scope["headers"]):
        raise _ambiguous("Credentials were sent more than once. Send one access_token, or one Authorization header.")
    scope["state"]["stream_token"] = Credential(tokens[0], is_stream_token=True)
    return True


def _ambiguous(detail: str) -> InvalidCredentials:
    return InvalidCredentials(detail, headers={"WWW-Authenticate": f'{REALM}, error="invalid_request"'})


def read(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the one credential that was sent. Raises ``InvalidCredentials`` and ``Unauthenticated``."""
    sent = [header for header in headers if header[0] in _NAMES]
    # A proxy in front and this process may each read another one of two credentials, so neither is accepted.
    if len(sent) > 1:
        raise _ambiguous("Credentials were sent more than once. Send one Authorization header or one X-API-Key header.")
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
