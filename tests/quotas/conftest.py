"""Tenants with limits of their own."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.accounts import keys
from app.core import secrets
from app.db import connect
from app.identity.principal import Actor
from app.tenants import tenancy
from tests.conftest import Stack, Tenant, role_url

_NUMBERS = itertools.count()
_ACTOR = Actor("operator", "test")


@pytest.fixture
def limited(stack: Stack) -> Iterator[Callable[..., Tenant]]:
    """Return a maker of tenants of the free plan: ``limited(tasks_per_day=3)``. No process has known them before."""
    clients: list[httpx.Client] = []

    def make(**limits: int) -> Tenant:
        tenant_id, slug, key = asyncio.run(_make(stack.environment, limits))
        clients.append(httpx.Client(base_url=stack.url, timeout=40, headers={"X-API-Key": key}, trust_env=False))
        return Tenant(tenant_id, slug, key, "", clients[-1])

    yield make
    for client in clients:
        client.close()


async def _make(environment: dict[str, str], limits: dict[str, Any]) -> tuple[str, str, str]:
    # As scripts/admin does, without its start of a process.
    slug, known = f"limited-{next(_NUMBERS)}", secrets.load(Path(environment["SECRETS_FILE"]))
    connection = await connect(role_url(environment, "tq_admin"))
    try:
        async with connection.transaction():
            made, _ = await tenancy.create(connection, _ACTOR, slug=slug, name=slug, plan="free", secrets=known)
            await tenancy.set_limits(connection, _ACTOR, made.id, limits)
            _, key = await keys.issue(connection, _ACTOR, made.id, name="first", secrets=known)
    finally:
        await connection.close()
    return str(made.id), slug, key
