"""Create and seal the secrets that sign a tenant's webhooks."""

import base64
import secrets as randomness
from uuid import UUID

from app.core import crypto
from app.core.secrets import Secrets

# Random bytes of a secret. Standard Webhooks asks for 24 to 64.
_BYTES = 32


def place_of(secret_id: UUID) -> str:
    """Return the place to which a webhook secret is sealed: it cannot be opened as the value of another row."""
    return f"webhook_secret/{secret_id}/sealed"


def generate() -> str:
    """Return a new signing secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(_BYTES)).decode()


def seal(text: str, tenant_id: UUID, secret_id: UUID, secrets: Secrets) -> str:
    """Return a signing secret sealed under the current key-encryption key, for the row ``secret_id``."""
    return crypto.seal(text.encode(), tenant_id=tenant_id, place=place_of(secret_id), secrets=secrets)


def open_sealed(sealed: str, tenant_id: UUID, secret_id: UUID, secrets: Secrets) -> str:
    """Return the signing secret of the row ``secret_id``. Raises ``SealBroken`` when no key opens it."""
    return crypto.open_sealed(sealed, tenant_id=tenant_id, place=place_of(secret_id), secrets=secrets).decode()
