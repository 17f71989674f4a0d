"""Two tenants with the same rows, in one transaction that is never kept: what two ways of doing the same must leave alike.

All of it has one ``now()``, so that times can be compared exactly.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from app.core import ids
from app.db import Connection

WORKER: Final = uuid.uuid4()
URL: Final = "https://a.example.com/hook"
# Every table with rows of a tenant that a submit, a claim or an end may write.
TABLES: Final = (
    "task", "attempt", "result", "backlog", "tenant_slots", "tenant_admitted", "usage_by_task", "worker_time",
    "event", "error_seen",
)  # fmt: skip


@dataclass
class Twin:
    """One of the two tenants, and its tasks in the order in which they were made."""

    connection: Connection
    tenant_id: UUID = field(default_factory=uuid.uuid4)
    names: dict[UUID, str] = field(default_factory=dict)
    """What stands for an id that differs between the two."""

    async def open(
        self, *, status: str = "active", queue_paused: bool = False, limits: Any = None, **slots: Any
    ) -> None:
        """Make the tenant, with these columns of ``tenant_slots``."""
        self.names[self.tenant_id] = "tenant"
        await self.connection.execute(
            "INSERT INTO tenant (id, slug, name, plan, status, queue_paused, limits)"
            " VALUES ($1, $2, 'a', 'pro', $3, $4, $5)",
            self.tenant_id, f"t{self.tenant_id.hex}", status, queue_paused, limits or {},
        )  # fmt: skip
        columns = {"running_limit": 9, "running": 0} | slots
        await self.insert("tenant_slots", tenant_id=self.tenant_id, **columns)

    async def insert(self, table: str, **columns: Any) -> None:
        """Store a row."""
        places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
        await self.connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", *columns.values()
        )

    async def change(self, table: str, **columns: Any) -> None:
        """Change columns of the tenant's rows."""
        changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
        await self.connection.execute(
            f"UPDATE {table} SET {changes} WHERE tenant_id = $1", self.tenant_id, *columns.values()
        )

    async def task(self, **columns: Any) -> UUID:
        """Store a task without a row in the backlog; return its id."""
        task_id = ids.new_id()
        self.names[task_id] = f"task {len(self.names)}"
        facts = {
            "task": "echo", "pool": "prefork", "priority": 4, "payload": "1", "due_at": await self.now(), "max_attempts": 3,
            "time_limit_seconds": 9.0,
        }  # fmt: skip
        await self.insert("task", tenant_id=self.tenant_id, id=task_id, **facts | columns)
        return task_id

    async def waiting(self, *, seconds: float = 0, expires: float | None = None, **columns: Any) -> UUID:
        """Store a task that waits, due and expiring so many seconds from now."""
        task_id = await self.task(**columns)
        await self.connection.execute(
            "INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled, expires_at)"
            " SELECT tenant_id, id, pool, priority, now() + make_interval(secs => $2), false,"
            " now() + make_interval(secs => $3) FROM task WHERE id = $1",
            task_id, seconds, expires,
        )  # fmt: skip
        return task_id

    async def running(self, **columns: Any) -> tuple[UUID, UUID]:
        """Store a task whose second attempt runs; return its id and its claim token."""
        token = uuid.uuid4()
        facts = {"status": "STARTED", "attempt": 2, "claim_token": token, "started_at": await self.now()}
        task_id = await self.task(**facts | columns)
        await self.insert(
            "attempt", tenant_id=self.tenant_id, task_id=task_id, attempt=2, claim_token=token, worker_id=WORKER,
            deadline_at=await self.now(),
        )  # fmt: skip
        return task_id, token

    async def now(self) -> Any:
        """Return the time of the transaction."""
        return await self.connection.fetchval("SELECT now()")

    async def rows(self) -> dict[str, Any]:
        """Return all rows of the tenant, each id by its name; ids that are random are only that."""
        found = {}
        for table in TABLES:
            rows = await self.connection.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1", self.tenant_id)
            # A running number of the whole table.
            counted = {"id"} if table in {"worker_time", "error_seen"} else set()
            found[table] = sorted(
                (self.named({k: v for k, v in row.items() if k not in counted}) for row in rows), key=repr
            )
        return found

    def named(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with names in place of ids."""
        return {name: self._named(value) for name, value in row.items()}

    def _named(self, value: Any) -> Any:
        if not isinstance(value, UUID) or value == WORKER:
            return value
        return self.names.setdefault(value, f"id {len(self.names)}")


@asynccontextmanager
async def twins(connection: Connection) -> AsyncIterator[tuple[Twin, Twin]]:
    """Yield two tenants that are not made yet; nothing of them is kept."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield Twin(connection), Twin(connection)
    finally:
        await transaction.rollback()


@asynccontextmanager
async def acting_as(connection: Connection, role: str) -> AsyncIterator[None]:
    """Let a role act, with its rights and its policies."""
    await connection.execute(f"SET LOCAL ROLE {role}")
    try:
        yield
    finally:
        await connection.execute("RESET ROLE")
