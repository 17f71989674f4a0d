"""Deliveries of the run's tenants as rows: no process sends them."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core import ids
from tests.conftest import Tenant


@dataclass
class Kept:
    """The database, as its owner changes it."""

    environment: dict[str, str]
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self._owner = self._runner.run(asyncpg.connect(self.environment["DATABASE_URL"]))

    def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        return self._runner.run(self._owner.fetch(statement, *args))

    def endpoint(self, tenant: Tenant, *, enabled: bool = True) -> str:
        """Make an endpoint that gets no events; return its id."""
        endpoint_id = ids.new_id()
        self.sql(
            "INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq, enabled, disabled_at, disabled_by)"
            " VALUES ($1, $2, 'https://a.example.com/', '{}', 0, $3, CASE WHEN NOT $3 THEN now() END,"
            " CASE WHEN NOT $3 THEN 'tenant' END)",
            UUID(tenant.tenant_id), endpoint_id, enabled,
        )  # fmt: skip
        return str(endpoint_id)

    def deliver(self, tenant: Tenant, **changes: Any) -> str:
        """Make a delivery that has failed; return its id."""
        facts: dict[str, Any] = {
            "id": ids.new_id(), "endpoint_id": None, "task_id": uuid.uuid4(), "event_type": "task.succeeded",
            "status": "FAILED", "attempt": 10, "claim_token": None, "skipped_reason": None, "body": "{}",
        } | changes  # fmt: skip
        self.sql(
            "INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, url_key, body,"
            " status, attempt, claim_token, skipped_reason, due_at, finished_at) VALUES ($1, $2, $2, 1, $3, $4, $5,"
            " 'https://a.example.com/?t=1', 'https://a.example.com/', $6, $7, $8, $9, $10, now() + interval '1 hour',"
            " CASE WHEN $7 <> 'PENDING' THEN now() END)",
            UUID(tenant.tenant_id), UUID(str(facts["id"])), _id(facts["endpoint_id"]), _id(facts["task_id"]),
            facts["event_type"], facts["body"], facts["status"], facts["attempt"], facts["claim_token"],
            facts["skipped_reason"],
        )  # fmt: skip
        return str(facts["id"])

    def attempt(self, tenant: Tenant, delivery_id: str, number: int, status: int | None = 500, **changes: Any) -> None:
        """Record an attempt of a delivery."""
        facts = {"error": None, "response_body": None} | changes
        self.sql(
            "INSERT INTO delivery_attempt (tenant_id, delivery_id, attempt, started_at, duration_ms, response_status, error,"
            " response_body) VALUES ($1, $2, $3, now(), 12, $4, $5, $6)",
            UUID(tenant.tenant_id), UUID(delivery_id), number, status, facts["error"], facts["response_body"],
        )  # fmt: skip

    def clear(self, *tenants: Tenant) -> None:
        """Delete the tenants' deliveries, endpoints and counts."""
        for table in ("delivery", "endpoint", "webhook_stat"):
            self.sql(f"DELETE FROM {table} WHERE tenant_id = ANY($1)", [UUID(tenant.tenant_id) for tenant in tenants])

    def close(self) -> None:
        self._runner.run(self._owner.close())
        self._runner.close()


def _id(text: object) -> UUID | None:
    return None if text is None else UUID(str(text))


@pytest.fixture
def kept(environment: dict[str, str], acme: Tenant, globex: Tenant) -> Iterator[Kept]:
    """The database without deliveries of the two tenants."""
    made = Kept(environment)
    made.clear(acme, globex)
    yield made
    made.clear(acme, globex)
    made.close()
