"""The hours of all tenants are added up, with empty hours between, and read again only after a while."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.db import Database
from app.stats.service_hours import ServiceHours
from tests.conftest import role_url

_COUNT = """
INSERT INTO stat (tenant_id, minutes, starts_at, task, submitted, succeeded, failed)
VALUES ($1, $2, date_trunc('hour', $3::timestamptz, 'UTC'), $4, 5, 3, 1)
"""


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Return a connection of the owner."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


async def test_the_hours_of_all_tenants_are_added_up_once_in_a_while(environment: dict[str, str], owner: Any):
    admin = Database("tq_admin", size=1, url=role_url(environment, "tq_admin"))
    tenants = [uuid.uuid4() for _ in range(2)]
    earlier = datetime.now(UTC) - timedelta(hours=7)
    try:
        before = {point.starts_at: point for point in await ServiceHours(admin).read()}
        for tenant_id in tenants:
            await owner.execute(
                "INSERT INTO tenant (id, slug, name, plan) VALUES ($1, $2, 'a', 'pro')", tenant_id, f"h{tenant_id.hex}"
            )
            await owner.execute(_COUNT, tenant_id, 60, earlier, "echo")
            await owner.execute(_COUNT, tenant_id, 60, earlier, "long_task")
            # A minute and a day have the same start and are other rows.
            await owner.execute(_COUNT, tenant_id, 1, earlier, "echo")
        hours = ServiceHours(admin)
        points = await hours.read()
        start = earlier.replace(minute=0, second=0, microsecond=0)
        [point] = [each for each in points if each.starts_at == start]
        was = before[start]
        assert (point.submitted - was.submitted, point.succeeded - was.succeeded, point.failed - was.failed) == (
            20,
            12,
            4,
        )
        assert len(points) in {24, 25} and [each.starts_at for each in points] == sorted(before)
        # The next page within half a minute is answered from memory.
        await owner.execute("DELETE FROM stat WHERE tenant_id = ANY($1)", tenants)
        assert await hours.read() is points
    finally:
        await owner.execute("DELETE FROM tenant WHERE id = ANY($1)", tenants)
        await admin.close()
