"""Each limit with its source."""

from datetime import UTC, datetime
from uuid import UUID

from app.operator.limit_rows import limit_rows
from app.tenants import plans
from app.tenants.store import TenantRecord


def test_every_limit_is_there_with_its_meaning_and_the_override_beside_the_plan():
    tenant = TenantRecord(UUID(int=1), "a", "A", "free", "active", False, False, {"running": 9}, datetime.now(UTC))  # noqa: FBT003
    rows = {row.name: row for row in limit_rows(tenant, {"running": 3})}
    assert tuple(rows) == plans.NAMES
    running, streams = rows["running"], rows["streams"]
    assert (running.used, running.limit, running.of_plan, running.override) == (3, 9, 2, 9)
    assert (streams.used, streams.limit, streams.override) == (None, 10, None)
    assert running.meaning != "running"
