"""OAuth 2 as RFC 6749 writes it: the form, the client's credentials in it or in HTTP Basic, and the errors."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

ErrorCode: TypeAlias = Literal[
    "invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"
]

_MOST_FIELDS: Final = 20


@dataclass
class OAuthError(Exception):
    """What RFC 6749 (5.2) has the client told; rendered as its JSON, not as a problem."""

    error: ErrorCode
    description: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Client:
    """Credentials of a client: the id of an API key, and the key."""

    client_id: str
    client_secret: str


def form(content_types: list[str], raw: bytes) -> dict[str, str]:
    """Return the fields of a form; raises ``OAuthError`` for what is none, and for a field that comes twice."""
    message = Message()
    message["content-type"] = content_types[0] if len(content_types) == 1 else "none/none"
    if message.get_content_type() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send a form: Content-Type: application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), strict_parsing=bool(raw), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A field comes twice.")
    return fields


def client(authorization: list[str], fields: Mapping[str, str]) -> Client:
    """Return the client's credentials, from the one place where they were sent; raises ``OAuthError``."""
    if len(authorization) > 1:
        raise OAuthError("invalid_request", "The header Authorization was sent more than once.")
    # A Bearer header, which a client may send with every call, is no client's credential and says nothing here.
    basic = [header for header in authorization if header[:6].lower() == "basic "]
    if basic and "client_secret" in fields:
        raise OAuthError("invalid_request", "The client's credentials were sent in two ways.")
    if basic:
        return _basic(basic[0], fields)
    if not fields.get("client_id") or not fields.get("client_secret"):
        raise OAuthError("invalid_client", "Send client_id and client_secret, in the form or by HTTP Basic.", 401)
    return Client(fields["client_id"], fields["client_secret"])


def _basic(header: str, fields: Mapping[str, str]) -> Client:
    try:
        name, colon, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = name = secret = ""
    if not colon:
        raise OAuthError("invalid_client", "The header Authorization is not HTTP Basic.", 401)
    client_id = unquote_plus(name)
    if fields.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "The form names another client than the header.")
    return Client(client_id, unquote_plus(secret))
