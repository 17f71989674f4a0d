"""Encrypt secrets that must be read again: AES-256-GCM, with a key for each tenant, bound to the place of storage."""

import base64
import binascii
import os
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.secrets import Secrets

_VERSION: Final = "k1"
# The size for which AES-GCM is defined (NIST SP 800-38D).
_NONCE_BYTES: Final = 12


class SealBroken(Exception):  # noqa: N818 named for the fact
    """The text was not sealed for this tenant and place, was changed, or its key is missing in the secrets file."""


def seal(plain: bytes, *, tenant_id: UUID, place: str, secrets: Secrets) -> str:
    """Encrypt bytes for one place (``table/row/column``) of one tenant.

    Return ``k1.<key id>.<base64 of nonce, ciphertext, tag>``.
    """
    nonce = os.urandom(_NONCE_BYTES)
    bound = _bound(secrets.kek_id, tenant_id, place)
    text = _cipher(secrets, secrets.kek_id, tenant_id).encrypt(nonce, plain, bound)
    return f"{prefix(secrets)}{base64.b64encode(nonce + text).decode()}"


def prefix(secrets: Secrets) -> str:
    """Return the prefix of all texts that are sealed with the current key."""
    return f"{_VERSION}.{secrets.kek_id}."


def open_sealed(sealed: str, *, tenant_id: UUID, place: str, secrets: Secrets) -> bytes:
    """Decrypt a text that was sealed for this tenant and place. Raises ``SealBroken``."""
    try:
        version, kek_id, text = sealed.split(".")
        raw = base64.b64decode(text, validate=True)
        cipher = _cipher(secrets, kek_id, tenant_id)
        if version != _VERSION:
            raise SealBroken(place)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(kek_id, tenant_id, place))
    except (InvalidTag, KeyError, ValueError, binascii.Error):
        # One error for all causes: more detail would only help somebody who tries to forge a text.
        raise SealBroken(place) from None


def _bound(kek_id: str, tenant_id: UUID, place: str) -> bytes:
    # Authenticated with the text, so that a sealed secret cannot be moved to another tenant's row.
    return "|".join((_VERSION, kek_id, str(tenant_id), place)).encode()


def _cipher(secrets: Secrets, kek_id: str, tenant_id: UUID) -> AESGCM:
    # A key for each tenant: random nonces of one key must stay few, or two may be equal.
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=tenant_id.bytes)
    return AESGCM(derive.derive(secrets.kek(kek_id)))
