"""Make the secrets of the console: cookies of sessions and portal links. Only their digests are stored."""

import secrets
from hashlib import sha256
from typing import Final

SESSION_SECONDS: Final = 12 * 3_600
"""The life of a session, from its sign-in."""


def generate() -> str:
    """Return a new secret of 256 random bits, for a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return the SHA-256 by which a secret is stored and found."""
    # A fast hash without a key is enough, because 256 random bits cannot be guessed.
    return sha256(secret.encode()).digest()
