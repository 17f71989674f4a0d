"""Makes many tenants of the enterprise plan, as ``scripts/admin tenant create`` makes one; their keys go to stdout."""

import asyncio
import json
import sys
from typing import Any

from app.accounts import keys
from app.admin import cli_runtime
from app.core.secrets import get_secrets
from app.db import Connection, Database
from app.tenants import tenancy

# Each statement on a tenant or a key counts up one row, and its older versions stay until the transaction has ended.
_AT_ONCE = 100


async def make(prefix: str, count: int) -> list[dict[str, Any]]:
    """Make so many, of slugs ``<prefix>-0``, ``<prefix>-1`` and so on."""
    database = Database("tq_admin", size=1)
    made = []
    try:
        for first in range(0, count, _AT_ONCE):
            async with database.transaction() as connection:
                made += [
                    await _make_one(connection, f"{prefix}-{number}")
                    for number in range(first, min(first + _AT_ONCE, count))
                ]
    finally:
        await database.close()
    return made


async def _make_one(connection: Connection, slug: str) -> dict[str, Any]:
    actor, secrets = cli_runtime.operator(), get_secrets()
    tenant, _ = await tenancy.create(connection, actor, slug=slug, name=slug, plan="enterprise", secrets=secrets)
    _, api_key = await keys.issue(connection, actor, tenant.id, name="first", secrets=secrets)
    return {"slug": slug, "tenant_id": str(tenant.id), "key": api_key}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(make(sys.argv[1], int(sys.argv[2])))))
