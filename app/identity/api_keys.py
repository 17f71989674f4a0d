"""API keys: ``tq_live_<12 key id>_<40 secret><6 CRC32 of all before>``, in base62."""

import hmac
import re
import secrets
import string
from typing import Final, NamedTuple
from zlib import crc32

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKSUM_LENGTH: Final = 6
_KEY: Final = re.compile(r"(tq_live_([0-9A-Za-z]{12})_[0-9A-Za-z]{40})([0-9A-Za-z]{6})")


class NewKey(NamedTuple):
    """A key just made: ``text`` is shown once and never stored, ``key_id`` is its public part."""

    text: str
    key_id: str


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    rest = crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def generate() -> NewKey:
    """Make a key; its secret part has 238 random bits."""
    key_id = _random(12)
    body = f"tq_live_{key_id}_{_random(40)}"
    return NewKey(body + _checksum(body), key_id)


def parse(text: str) -> str | None:
    """Return the key id where shape and checksum hold, so that typing errors never reach the database."""
    if not (match := _KEY.fullmatch(text)):
        return None
    body, key_id, checksum = match.groups()
    return key_id if _checksum(body) == checksum else None


def digest(text: str, pepper: bytes) -> bytes:
    """Return what is stored. A fast hash: 238 random bits cannot be guessed, and a slow one invites floods."""
    return hmac.digest(pepper, text.encode(), "sha256")
