"""Read an OAuth 2 token request (RFC 6749): its form, its client credentials (form or HTTP Basic), its errors."""

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

# A form of these calls has at most five fields. The bound keeps the parsing of a hostile form short.
_MAX_FIELDS: Final = 20


@dataclass
class OAuthError(Exception):
    """An error response of RFC 6749, section 5.2. It is rendered as that JSON, not as a problem."""

    error: ErrorCode
    description: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Client:
    """Credentials of a client: the id of an API key, and the key."""

    client_id: str
    client_secret: str


def form(content_types: list[str], raw: bytes) -> dict[str, str]:
    """Return the fields of a form. Raises ``OAuthError`` for another body, and for a field that occurs twice."""
    message = Message()
    # Two Content-Type headers are ambiguous. The type none/none stands for them, and is refused below.
    message["content-type"] = content_types[0] if len(content_types) == 1 else "none/none"
    if message.get_content_type() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send a form: Content-Type: application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), strict_parsing=bool(raw), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise OAuthError(
            "invalid_request", "The body is not a valid form. Encode it as application/x-www-form-urlencoded."
        ) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A field occurs twice. Send each field once.")
    return fields


def client(authorization: list[str], fields: Mapping[str, str]) -> Client:
    """Return the client's credentials from the form or the header. Raises ``OAuthError`` when both have them."""
    if len(authorization) > 1:
        raise OAuthError("invalid_request", "The header Authorization was sent more than once. Send it once.")
    # Some clients send a Bearer header with every call. It is not a client credential, so it is ignored here.
    basic = [header for header in authorization if header[:6].lower() == "basic "]
    if basic and "client_secret" in fields:
        raise OAuthError(
            "invalid_request", "The client credentials were sent twice. Send them in the form or by HTTP Basic."
        )
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
        raise OAuthError(
            "invalid_client",
            "The header Authorization is not valid HTTP Basic. Send client_id:client_secret in Base64.",
            401,
        )
    # Both parts are encoded like form fields (RFC 6749, section 2.3.1).
    client_id = unquote_plus(name)
    if fields.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "The form and the header name different clients. Send one client_id.")
    return Client(client_id, unquote_plus(secret))
