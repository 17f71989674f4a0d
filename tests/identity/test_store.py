"""The time of a key's last use: stored after a call, at most once a minute."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from app.db import Database
from app.identity import store
from tests.accounts.conftest import issue, with_token
from tests.conftest import Tenant, role_url, wait_until


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


def _shown(tenant: Tenant, key_id: str) -> str | None:
    [key] = [
        key for key in tenant.client.get("/api/keys", params={"limit": 100}).json()["items"] if key["key_id"] == key_id
    ]
    shown: str | None = key["last_used_at"]
    return shown


def test_a_key_shows_when_it_was_used_and_another_one_does_not(acme: Tenant):
    used, unused = issue(acme, scopes=["tasks:read"]), issue(acme, scopes=["tasks:read"])
    assert (used["last_used_at"], _shown(acme, used["key_id"])) == (None, None)
    assert with_token(acme.client, used["api_key"]) == 200
    wait_until(lambda: _shown(acme, used["key_id"]) is not None, "the time of its use")
    shown = _shown(acme, used["key_id"])
    assert shown is not None
    assert datetime.fromisoformat(shown) > datetime.fromisoformat(used["created_at"])
    assert _shown(acme, unused["key_id"]) is None


@pytest.mark.parametrize(
    ("age", "moves"),
    [(None, True), (timedelta(seconds=61), True), (timedelta(seconds=30), False)],
    ids=["never used", "over a minute ago", "less than a minute ago"],
)
async def test_the_time_of_use_moves_at_most_once_a_minute(
    acme: Tenant,
    environment: dict[str, str],
    owner: "asyncpg.Connection[asyncpg.Record]",
    age: timedelta | None,
    moves: bool,
):
    key, other = issue(acme), issue(acme)
    before = await owner.fetchval(
        "UPDATE api_key SET last_used_at = now() - $2::interval WHERE key_id = $1 RETURNING last_used_at",
        key["key_id"], age,
    )  # fmt: skip
    auth = Database("tq_auth", size=1, url=role_url(environment, "tq_auth"))
    try:
        async with auth.statement() as connection:
            await store.touch_keys_any_tenant(connection, [key["key_id"], uuid.uuid4().hex[:12]])
    finally:
        await auth.close()
    after = await owner.fetchval("SELECT last_used_at FROM api_key WHERE key_id = $1", key["key_id"])
    assert (after != before) == moves
    assert await owner.fetchval("SELECT last_used_at FROM api_key WHERE key_id = $1", other["key_id"]) is None
