"""Load the keys that sign and verify tokens from the secrets file, and load them again when the file changes."""

import base64
import logging
from math import inf
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk  # type: ignore[import-untyped]
from jose.backends.base import Key  # type: ignore[import-untyped]

from app.core import secrets
from app.core.secrets import RETIRED_SECONDS, JwtKey, SecretsFileError
from app.identity.tokens import ALGORITHM

_log = logging.getLogger(__name__)
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256


class Keyring:
    """Finds the key of a token by its id. Each key object is made once, for one algorithm."""

    def __init__(self, path: Path) -> None:
        """Read the keys from the secrets file at ``path``. Raises ``SecretsFileError`` when it has none."""
        self._path = path
        # Before the file is read: a change in between is then seen as one, and the file is read once more.
        self._seen = self._look()
        self._load()

    def _look(self) -> tuple[int, int, int]:
        # The inode tells a file that was replaced by a rename within the resolution of its modification time.
        found = self._path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _load(self) -> None:
        known = secrets.load(self._path).jwt_keys
        active = next((key for key in known if key.state == "active"), None)
        if active is None:
            message = f"SECRETS_FILE {self._path} has no keys of tokens: run scripts/admin bootstrap"
            raise SecretsFileError(message)
        private = {key.kid: _private(key) for key in known}
        self._active = active.kid, private[active.kid]
        self._public = {key.kid: (private[key.kid].public_key(), _until(key)) for key in known}

    def refresh(self) -> bool:
        """Read the file again if it has changed, and return whether it has. An unusable file changes nothing."""
        try:
            seen = self._look()
            if seen == self._seen:
                return False
            self._load()
        except (OSError, SecretsFileError) as error:
            _log.warning("the secrets file cannot be read again", extra={"error": type(error).__name__})
            return False
        self._seen = seen
        return True

    def find(self, kid: str) -> tuple[Key, float]:
        """Return the public key and the time (Unix seconds) until which it is accepted. Raises ``KeyError``."""
        return self._public[kid]

    def signing(self) -> tuple[str, Key]:
        """Return the id and the private key of the active key."""
        return self._active

    def published(self, now: float) -> list[dict[str, Any]]:
        """Return the public keys that verify our tokens at ``now`` (Unix seconds), as JWKs."""
        # The spare key is published as well, so that clients know it before it signs.
        living = ((kid, key) for kid, (key, until) in self._public.items() if now < until)
        return [key.to_dict() | {"kid": kid, "use": "sig"} for kid, key in living]


def _private(key: JwtKey) -> Key:
    # The secrets file has 32 random bytes. A private key must be a number from 1 to the order of the curve minus 1.
    scalar = int.from_bytes(base64.b64decode(key.private_key), "big") % (_ORDER - 1) + 1
    # The library gets a key object and never a text, because it would guess the kind of key from the text.
    return jwk.construct(ec.derive_private_key(scalar, ec.SECP256R1()), ALGORITHM)


def _until(key: JwtKey) -> float:
    # A retired key must verify the tokens that it has signed until they expire.
    return key.since + RETIRED_SECONDS if key.state == "retired" else inf
