"""Key-encryption keys: a new one, and every sealed secret under it."""

from uuid import UUID

from app.admin import keks_store as store
from app.audit import store as audit
from app.audit.store import Actor
from app.core import crypto, secrets
from app.core.config import get_settings
from app.core.secrets import Secrets
from app.db import Connection, Database
from app.tenants import sealing

_BATCH = 500


async def rotate(actor: Actor, *, is_to_drop: bool) -> dict[str, object]:
    """Seal with a new key from now on, and what was sealed before again; return the key's id and how many were.

    Begun again after an interruption it makes another key, and ends what is left. With ``is_to_drop`` the keys that
    no row needs any more leave the file. Raises ``SealBroken`` for a secret that no key opens, and ``Unavailable``.
    """
    path = get_settings().secrets_file
    known = secrets.add_kek(path)
    database = Database("tq_admin", size=1)
    try:
        resealed = 0
        while batch := await _reseal(database, known):
            resealed += batch
        async with database.transaction() as connection:
            await audit.record(connection, None, actor, "kek.rotated", known.kek_id, {"resealed": resealed})
    finally:
        await database.close()
    dropped = secrets.drop_keks(path) if is_to_drop else []
    return {"kek_id": known.kek_id, "resealed": resealed, "dropped": dropped}


async def _reseal(database: Database, known: Secrets) -> int:
    async with database.transaction() as connection:
        rows = await store.sealed_otherwise_any_tenant(connection, crypto.prefix(known), _BATCH)
        for tenant_id, secret_id, sealed in rows:
            await _reseal_one(connection, known, tenant_id, secret_id, sealed)
    return len(rows)


async def _reseal_one(connection: Connection, known: Secrets, tenant_id: UUID, secret_id: UUID, sealed: str) -> None:
    place = sealing.secret_place(secret_id)
    plain = crypto.open_sealed(sealed, tenant_id=tenant_id, place=place, secrets=known)
    anew = crypto.seal(plain, tenant_id=tenant_id, place=place, secrets=known)
    await store.reseal(connection, tenant_id, secret_id, anew)


async def unknown(owner: Connection, known: Secrets) -> list[str]:
    """Return the ids of keys under which rows are sealed and which the secrets file lacks."""
    return [kek_id for kek_id in await store.kek_ids_any_tenant(owner) if kek_id not in known.keks]
