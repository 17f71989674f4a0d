"""Make, show and rotate the secrets that sign: of an endpoint, or of the tenant for the webhook_url of tasks.

The secrets file is read for each call: a rotation of the key-encryption key may have replaced the key meanwhile.
"""

from datetime import timedelta
from uuid import UUID

from app.accounts import daily_changes
from app.audit import log as audit
from app.audit.log import Actor
from app.core import crypto, ids, secrets
from app.core.config import get_settings
from app.core.errors import IllegalState, NotFound, Unavailable
from app.core.secrets import Secrets
from app.db import Connection
from app.tenants import tenancy, webhook_secrets
from app.webhooks.endpoints import secret_store, store
from app.webhooks.endpoints.schemas import SigningSecret
from app.webhooks.endpoints.secret_store import SecretOwner, SecretRow


def keys() -> Secrets:
    """Return the keys of the secrets file as they are now."""
    return secrets.load(get_settings().secrets_file)


async def make(connection: Connection, tenant_id: UUID, owner: SecretOwner) -> str:
    """Insert a new secret and return it."""
    text, secret_id = webhook_secrets.generate(), ids.new_id()
    sealed = webhook_secrets.seal(text, tenant_id, secret_id, keys(), owner.column)
    await secret_store.insert(connection, tenant_id, owner, secret_id, sealed)
    return text


async def show(connection: Connection, tenant_id: UUID, owner: SecretOwner) -> SigningSecret:
    """Return the newest secret. Raises ``NotFound``, and ``Unavailable`` if no key opens it."""
    if owner.endpoint_id is not None and await store.find(connection, tenant_id, owner.endpoint_id) is None:
        raise NotFound(store.UNKNOWN)
    found = await secret_store.valid(connection, tenant_id, owner)
    if not found:
        raise NotFound("There is no valid secret. Rotate it to make one.")
    newest, *earlier = found
    return SigningSecret(
        secret=_opened(newest, tenant_id, owner),
        created_at=newest.created_at,
        previous_expires_at=max((one.expires_at for one in earlier if one.expires_at), default=None),
    )


def _opened(row: SecretRow, tenant_id: UUID, owner: SecretOwner) -> str:
    try:
        return webhook_secrets.open_sealed(row.sealed, tenant_id, row.id, keys(), owner.column)
    except crypto.SealBroken:
        raise Unavailable("The secret cannot be opened. Ask the operator, or rotate it.") from None


async def rotate(
    connection: Connection, actor: Actor, tenant_id: UUID, owner: SecretOwner, overlap: timedelta
) -> SigningSecret:
    """Make a new secret. The earlier one signs as well until ``overlap`` has passed.

    Raises ``NotFound``, ``IllegalState`` while an earlier rotation is under way, and ``LimitReached``.
    """
    # The lock makes two rotations at once run one after the other: the second one is refused.
    await _lock(connection, tenant_id, owner)
    await daily_changes.admit(connection, actor, tenant_id)
    if any(one.expires_at for one in await secret_store.valid(connection, tenant_id, owner)):
        raise IllegalState(
            "The secret was rotated, and the one before it still signs. Rotate again when that has ended."
        )
    await secret_store.end(connection, tenant_id, owner, overlap)
    await make(connection, tenant_id, owner)
    thing = str(owner.endpoint_id or tenant_id)
    action = "webhook_secret.rotated" if owner.endpoint_id is None else "endpoint.secret_rotated"
    detail = {"overlap_seconds": int(overlap.total_seconds())}
    await audit.record(connection, tenant_id, actor, action, thing, detail)
    return await show(connection, tenant_id, owner)


async def _lock(connection: Connection, tenant_id: UUID, owner: SecretOwner) -> None:
    if owner.endpoint_id is None:
        await tenancy.lock(connection, tenant_id)
    elif await store.lock(connection, tenant_id, owner.endpoint_id) is None:
        raise NotFound(store.UNKNOWN)
