"""Sign and read tokens: access tokens (JWTs by RFC 9068), and stream tokens, which may only read one task.

Only this module calls python-jose.

By default python-jose takes algorithm and key from the token, and accepts loose base64, JSON and claims. Here each
token must first have the one spelling that we write. The library then gets our key, made for one algorithm, and
only verifies the signature. The claims are checked in this module.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn, Protocol
from uuid import UUID, uuid4

from jose import jws  # type: ignore[import-untyped]
from jose.backends.base import Key  # type: ignore[import-untyped]

from app.http import strict_json

ALGORITHM: Final = "ES256"
ISSUER: Final = "task-queue"
AUDIENCE: Final = "task-queue-api"
TYPE: Final = "at+jwt"
LIFETIME_SECONDS: Final = 900


class Kind(NamedTuple):
    """A kind of token. Where one kind is expected, every other one is refused."""

    type: str
    """The header ``typ``."""
    audience: str


ACCESS: Final = Kind(TYPE, AUDIENCE)
STREAM: Final = Kind("task-stream+jwt", "task-queue-task-stream")
"""Reads one task. A browser sends it in the URL."""

# No token with a longer life is accepted. The time for which retired keys are kept depends on it (app/core/secrets.py).
_MAX_LIFE_SECONDS: Final = 3_600
# Clocks of api processes and of the database may differ by this much.
_LEEWAY_SECONDS: Final = 30
# Far more than our tokens have. Longer texts are refused before they are parsed.
_MAX_LENGTH: Final = 4_096
_DOTS: Final = 2
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_SUBJECT: Final = re.compile(r"key:([0-9A-Za-z]{12})|member:([0-9a-f-]{36})")
_VERSIONS: Final = 2**31  # the range of Postgres's integer
_HEADER: Final = {"alg", "kid", "typ"}


class InvalidToken(Exception):  # noqa: N818 named for the fact
    """The text is not a valid token. The reason is not told, since it would help an attacker."""


class TokenKeys(Protocol):
    """The keys that sign and verify tokens (app/identity/keyring.py)."""

    def find(self, kid: str) -> tuple[Key, float]:
        """Return the public key and the time (Unix seconds) until which it is accepted. Raises ``KeyError``."""

    def signing(self) -> tuple[str, Key]:
        """Return the id and the private key of the active key."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a token: a key (``key_id``) or a member (``member_id``)."""

    tenant_id: UUID
    tenant_version: int
    key_id: str | None = None
    member_id: UUID | None = None
    member_version: int = 0

    @property
    def name(self) -> str:
        """Return the claim ``sub``."""
        return f"key:{self.key_id}" if self.key_id else f"member:{self.member_id}"


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token with a valid signature and form. ``is_current`` checks its times."""

    subject: Subject
    jti: UUID
    scopes: frozenset[str]
    issued_at: int
    not_before: int
    expires_at: int
    key_until: float
    """Unix seconds from which the signing key is refused."""
    task_id: UUID | None = None
    """The only task that the token may read; None for an access token."""

    def is_current(self, now: float) -> bool:
        """Return whether the token is valid at ``now`` (Unix seconds by the database's clock)."""
        latest_start = max(self.issued_at, self.not_before)
        return latest_start <= now + _LEEWAY_SECONDS and now < min(self.ends_at, self.key_until)

    @property
    def ends_at(self) -> int:
        """The time from which the token is refused, in Unix seconds."""
        return self.expires_at + _LEEWAY_SECONDS


def sign(subject: Subject, scopes: frozenset[str], keys: TokenKeys, now: float) -> str:
    """Return a token that is valid for ``LIFETIME_SECONDS`` from ``now`` (Unix seconds by the database's clock)."""
    return _sign(_claimed(subject, scopes, int(now)), ACCESS, keys)


def sign_stream(
    subject: Subject, task_id: UUID, scopes: frozenset[str], keys: TokenKeys, now: float, *, made_by: Claims | None
) -> tuple[str, int]:
    """Return a token that may only read one task, and the time from which it is refused (Unix seconds).

    ``made_by`` is the access token with which it is made, if any. The new one ends with it, and has its id, so that it
    is revoked with it.
    """
    claims = _claimed(subject, scopes, int(now)) | {"task_id": str(task_id)}
    if made_by is not None:
        ends_at = max(int(now) + 1, min(claims["exp"], made_by.expires_at))
        claims |= {"jti": str(made_by.jti), "exp": ends_at}
    return _sign(claims, STREAM, keys), claims["exp"]


def _claimed(subject: Subject, scopes: frozenset[str], issued_at: int) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "sub": subject.name,
        "jti": str(uuid4()),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + LIFETIME_SECONDS,
        "scope": " ".join(sorted(scopes)),
        "tenant_id": str(subject.tenant_id),
        "tenant_version": subject.tenant_version,
        "member_version": subject.member_version,
    }


def _sign(claims: dict[str, Any], kind: Kind, keys: TokenKeys) -> str:
    kid, key = keys.signing()
    payload = json.dumps({**claims, "aud": kind.audience}, separators=(",", ":")).encode()
    token: str = jws.sign(payload, key, headers={"kid": kid, "typ": kind.type}, algorithm=ALGORITHM)
    return token


def read(token: str, keys: TokenKeys, kind: Kind = ACCESS) -> Claims:
    """Return the claims of a token of this kind. Raises ``InvalidToken`` for any other text, and no other exception."""
    try:
        return _read(token, keys, kind)
    except Exception:  # noqa: BLE001 any error of a hostile token gets the same answer
        raise InvalidToken from None


def _read(token: str, keys: TokenKeys, kind: Kind) -> Claims:
    # The cheap checks come first, so that a flood of hostile texts costs no signature.
    if len(token) > _MAX_LENGTH or token.count(".") != _DOTS or not (shape := _SHAPE.fullmatch(token)):
        _refuse()
    header, claims, _signature = (_decode(segment) for segment in shape.groups())
    key, key_until = keys.find(_kid(strict_json.loads(header), kind))
    # Our own list of algorithms: one that the token names, such as none, must never count.
    jws.verify(token, key, algorithms=[ALGORITHM])
    return _claims(strict_json.loads(claims), key_until, kind)


def _decode(segment: str) -> bytes:
    raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    # Otherwise several spellings would be valid for one token, and revoking or caching by text would miss some.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        _refuse()
    return raw


def _kid(header: dict[str, Any], kind: Kind) -> str:
    # Every other header is refused, above all crit and those that carry a key (jwk, jku, x5c).
    if header.keys() != _HEADER or header["alg"] != ALGORITHM or header["typ"] != kind.type:
        _refuse()
    return _text(header, "kid")


def _claims(claims: dict[str, Any], key_until: float, kind: Kind) -> Claims:
    if claims["iss"] != ISSUER or claims["aud"] != kind.audience:
        _refuse()
    # Only after the signature was verified: what is parsed here comes from us.
    read = Claims(
        subject=_subject(claims),
        jti=_uuid(_text(claims, "jti")),
        scopes=frozenset(_text(claims, "scope").split(" ")),
        issued_at=_integer(claims, "iat"),
        not_before=_integer(claims, "nbf"),
        expires_at=_integer(claims, "exp"),
        key_until=key_until,
        task_id=_uuid(_text(claims, "task_id")) if kind is STREAM else None,
    )
    # We never sign a longer life. Such a token would come from a leaked key, and could be valid for years.
    if not 0 < read.expires_at - read.issued_at <= _MAX_LIFE_SECONDS:
        _refuse()
    return read


def _subject(claims: dict[str, Any]) -> Subject:
    named = _SUBJECT.fullmatch(_text(claims, "sub")) or _refuse()
    return Subject(
        tenant_id=_uuid(_text(claims, "tenant_id")),
        tenant_version=_version(claims, "tenant_version"),
        key_id=named[1],
        member_id=_uuid(named[2]) if named[2] else None,
        member_version=_version(claims, "member_version"),
    )


def _text(members: dict[str, Any], name: str) -> str:
    value = members[name]
    return value if type(value) is str else _refuse()


def _integer(members: dict[str, Any], name: str) -> int:
    # The exact type is compared, because isinstance(True, int) is true.
    value = members[name]
    return value if type(value) is int else _refuse()


def _version(members: dict[str, Any], name: str) -> int:
    value = _integer(members, name)
    return value if 0 <= value < _VERSIONS else _refuse()


def _uuid(text: str) -> UUID:
    value = UUID(text)
    return value if str(value) == text else _refuse()


def _refuse() -> NoReturn:
    raise InvalidToken
