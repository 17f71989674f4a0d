"""Open what is sealed for a delivery: the secrets that sign it, and the endpoint's own headers."""

import json

from app.outbound import signing
from app.tenants.sealed_values import ENDPOINT_HEADERS, ENDPOINT_SECRET, WEBHOOK_SECRET
from app.tenants.webhook_secrets import SecretOpener
from app.webhooks.store import DeliveryClaim


def keys(opener: SecretOpener, claim: DeliveryClaim) -> list[bytes]:
    """Return the keys that sign a delivery, newest first.

    Raises ``SealBroken``, ``SecretsFileError`` and ``ValueError``.
    """
    column = WEBHOOK_SECRET if claim.endpoint_id is None else ENDPOINT_SECRET
    return [signing.key(opener.open(claim.tenant_id, secret_id, sealed, column)) for secret_id, sealed in claim.secrets]


def headers(opener: SecretOpener, claim: DeliveryClaim) -> dict[str, str]:
    """Return the endpoint's own headers; none for a webhook_url. Raises the same errors."""
    if claim.endpoint_id is None or claim.sealed_headers is None:
        return {}
    return dict(json.loads(opener.open(claim.tenant_id, claim.endpoint_id, claim.sealed_headers, ENDPOINT_HEADERS)))
