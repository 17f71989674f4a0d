"""Generate and parse API keys: ``tq_live_<12 key id>_<40 secret><6 CRC32 of the rest>``, in base62."""

import hmac
import re
import secrets
import string
from typing import Final, NamedTuple
from zlib import crc32

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKSUM_LENGTH: Final = 6
PREFIX: Final = "tq_live_"
LENGTH: Final = 67
"""Characters of a key."""
# Secret scanners find leaked keys by the fixed prefix and length.
_KEY: Final = re.compile(r"(tq_live_([0-9A-Za-z]{12})_[0-9A-Za-z]{40})([0-9A-Za-z]{6})")


class GeneratedKey(NamedTuple):
    """A new key: ``text`` is shown once and never stored, ``key_id`` is its public part."""

    text: str
    key_id: str


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


# A checksum is no protection. It tells a typing error, or a key that was cut off, without a look into the database.
def _checksum(text: str) -> str:
    rest = crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def generate() -> GeneratedKey:
    """Return a new key. Its secret part has 238 random bits."""
    key_id = _random(12)
    body = f"tq_live_{key_id}_{_random(40)}"
    return GeneratedKey(body + _checksum(body), key_id)


def parse(text: str) -> str | None:
    """Return the key id, or ``None`` when shape or checksum are wrong, so that typing errors reach no database."""
    if not (match := _KEY.fullmatch(text)):
        return None
    body, key_id, checksum = match.groups()
    return key_id if _checksum(body) == checksum else None


def digest(text: str, pepper: bytes) -> bytes:
    """Return the HMAC that is stored for a key."""
    # A fast hash is enough, because 238 random bits cannot be guessed. A slow one would make floods of keys expensive.
    return hmac.digest(pepper, text.encode(), "sha256")
