"""Rotate the key-encryption key (KEK): create a new one, and seal every sealed value with it."""

from app.audit import log as audit
from app.audit.log import Actor
from app.core import crypto, secrets
from app.core.config import get_settings
from app.core.secrets import Secrets
from app.db import Connection, Database
from app.tenants import sealed_store, sealed_values, webhook_secrets
from app.tenants.sealed_values import SealedColumn

# Values in one transaction.
_BATCH = 500


async def rotate(database: Database, actor: Actor, *, is_to_drop: bool) -> dict[str, object]:
    """Add a key, seal every value under it, and return the key's id with the number of values.

    ``database`` connects as tq_admin. A call after an interruption makes another key and seals the values that are
    left. With ``is_to_drop`` the keys that no row needs are removed from the secrets file. Raises ``SealBroken`` for a
    value that no key opens, and ``Unavailable``.
    """
    path = get_settings().secrets_file
    # The key is in the file before any row is sealed with it: after a crash every row can still be opened.
    known = secrets.add_kek(path)
    resealed = 0
    # In batches, so that no transaction locks many rows for long.
    for column in sealed_values.ALL:
        while batch := await _reseal(database, column, known):
            resealed += batch
    async with database.transaction() as connection:
        await audit.record(connection, None, actor, "kek.rotated", known.kek_id, {"resealed": resealed})
    # Only now: until the last row is sealed again, the old keys are needed to open it.
    dropped = secrets.drop_keks(path) if is_to_drop else []
    return {"kek_id": known.kek_id, "resealed": resealed, "dropped": dropped}


async def _reseal(database: Database, column: SealedColumn, known: Secrets) -> int:
    async with database.transaction() as connection:
        rows = await sealed_store.sealed_otherwise_any_tenant(connection, column, crypto.prefix(known), _BATCH)
        for tenant_id, row_id, sealed in rows:
            text = webhook_secrets.open_sealed(sealed, tenant_id, row_id, known, column)
            sealed_again = webhook_secrets.seal(text, tenant_id, row_id, known, column)
            await sealed_store.reseal(connection, tenant_id, column, row_id, sealed_again)
    return len(rows)


async def missing_keks(owner: Connection, known: Secrets) -> list[str]:
    """Return the ids of the keys that rows are sealed under but the secrets file lacks."""
    return [kek_id for kek_id in await sealed_store.kek_ids_any_tenant(owner) if kek_id not in known.keks]
