"""Create the secrets that sign a tenant's webhooks, and seal them and other values of webhooks."""

import base64
import secrets as randomness
from uuid import UUID

from app.core import crypto
from app.core import secrets as secrets_file
from app.core.config import get_settings
from app.core.secrets import Secrets
from app.tenants.sealed_values import WEBHOOK_SECRET, SealedColumn

# Random bytes of a secret. Standard Webhooks asks for 24 to 64.
_BYTES = 32


def generate() -> str:
    """Return a new signing secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(_BYTES)).decode()


def seal(text: str, tenant_id: UUID, secret_id: UUID, secrets: Secrets, column: SealedColumn = WEBHOOK_SECRET) -> str:
    """Return a text sealed under the current key-encryption key, for the row ``secret_id`` of ``column``."""
    return crypto.seal(text.encode(), tenant_id=tenant_id, place=column.place(secret_id), secrets=secrets)


def open_sealed(
    sealed: str, tenant_id: UUID, secret_id: UUID, secrets: Secrets, column: SealedColumn = WEBHOOK_SECRET
) -> str:
    """Return the text of the row ``secret_id`` of ``column``. Raises ``SealBroken`` when no key opens it."""
    return crypto.open_sealed(sealed, tenant_id=tenant_id, place=column.place(secret_id), secrets=secrets).decode()


class SecretOpener:
    """Opens signing secrets for a process that signs for a long time, also after a rotation of the keys."""

    def __init__(self, secrets: Secrets) -> None:
        """``secrets`` is the secrets file as it was when the process started."""
        self._secrets = secrets

    def open(self, tenant_id: UUID, secret_id: UUID, sealed: str, column: SealedColumn = WEBHOOK_SECRET) -> str:
        """Return the text of the row ``secret_id`` of ``column``.

        Raises ``SealBroken`` when no key opens it, and ``SecretsFileError``.
        """
        try:
            return open_sealed(sealed, tenant_id, secret_id, self._secrets, column)
        except crypto.SealBroken:
            # A rotation may have sealed it under a key that the file did not have when it was read.
            self._secrets = secrets_file.load(get_settings().secrets_file)
            return open_sealed(sealed, tenant_id, secret_id, self._secrets, column)
