"""Read the one credential of a request: from its headers, or from the URL for a token that may only read one task."""

from collections.abc import MutableMapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from app.core.errors import InvalidCredentials, Unauthenticated
from app.identity import api_keys

REALM: Final = 'Bearer realm="task-queue"'
"""The start of every WWW-Authenticate header."""
_API_KEY: Final = b"x-api-key"
# The headers that may carry credentials. Both together are refused.
_NAMES: Final = frozenset({b"authorization", _API_KEY})
_QUOTES: Final = frozenset("\"'`<>[]{}")
_IN_URL: Final = (
    "Send the API key in the header Authorization: Bearer <API key>, and never in the URL, where logs keep it. "
    "Replace this key."
)
STREAM_TOKEN: Final = "access_token"  # noqa: S105 a name
"""The query parameter for a token that may only read one task: an EventSource of a browser can send no header."""


class Credential(NamedTuple):
    """A credential as it was sent."""

    text: str
    is_stream_token: bool = False
    is_session: bool = False
    """It is the cookie of the console. ``of`` never returns one: the API ignores cookies."""


def of(scope: MutableMapping[str, Any]) -> Credential:
    """Return the one credential of a request. Raises ``InvalidCredentials`` and ``Unauthenticated``."""
    token: Credential | None = scope["state"].get("stream_token")
    if token is not None:
        return token
    try:
        return Credential(read(scope["headers"]))
    except Unauthenticated as error:
        if api_keys.PREFIX.encode() not in scope["query_string"]:
            raise
        # The URL is in logs of proxies by now, so the key itself is not safe any more.
        raise Unauthenticated(_IN_URL, headers=error.headers) from None


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


def invalid(text: str = "") -> Unauthenticated:
    """Return the error for invalid credentials.

    ``text`` was sent: if its form alone is wrong, which tells nothing about keys that exist, the error says so.
    """
    detail = "This API key or token is invalid, expired or revoked. Send a valid one."
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        detail = "The API key or token is in quotes or brackets. Send it without them."
    elif text.startswith(api_keys.PREFIX) and api_keys.parse(text) is None:
        detail = f"This API key is not complete, or was changed: copy all of its {api_keys.LENGTH} characters again."
    return Unauthenticated(detail, headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'})
