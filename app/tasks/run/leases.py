"""Lease tasks to tenants' own workers, renew leases, and end leased attempts. A lease is fenced by its claim token."""

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

from redis.asyncio import Redis

from app.broker.ring import REMOTE_PREFIX
from app.core.errors import InvalidRequest
from app.db import Connection, Database
from app.tasks import lease_store, log_store, store
from app.tasks.definition.context import Progress
from app.tasks.definition.own_types import OwnType
from app.tasks.run import after_commit, end, log_lines, outcomes, remote_outcomes, timing
from app.tasks.run.attempts import AttemptEnd, FinishResult, Outcome
from app.tasks.run.log_lines import LogLine
from app.tasks.run.remote_outcomes import Reported

if TYPE_CHECKING:
    import asyncpg

_PREFIX: Final = "lease_"
_SIZE: Final = 32
# Workers whose latest note this process remembers.
_MAX_SEEN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease, as a worker names it: an attempt of a tenant, and the token that proves the right to end it."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID

    @property
    def text(self) -> str:
        """Return the text by which the worker names it."""
        raw = self.task_id.bytes + self.claim_token.bytes
        return _PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read(tenant_id: UUID, text: str) -> Lease | None:
    """Return the lease that a worker of this tenant names; None if the text names none."""
    try:
        raw = base64.urlsafe_b64decode(text.removeprefix(_PREFIX) + "=")
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _SIZE or not text.startswith(_PREFIX):
        return None
    return Lease(tenant_id, UUID(bytes=raw[:16]), UUID(bytes=raw[16:]))


class LeasingWorker(NamedTuple):
    """A worker, as it describes itself."""

    name: str
    version: str | None
    task_types: tuple[str, ...]


class Leased(NamedTuple):
    """A task that was leased, with the row from which its worker gets everything."""

    lease: Lease
    row: "asyncpg.Record"

    @property
    def timeout_at(self) -> datetime:
        """Return the hard limit of the attempt."""
        at: datetime = self.row["deadline_at"]
        return datetime.fromtimestamp(at.timestamp() - timing.DEADLINE_GRACE, UTC)


class Renewed(NamedTuple):
    """A lease that is valid."""

    deadline: datetime
    worker: str
    cancel_requested: bool


class Beat(NamedTuple):
    """A heartbeat for one lease, with what its worker reports."""

    lease: Lease
    progress: Progress | None = None
    lines: Sequence[tuple[int, str, str | None]] = ()
    """Log lines: a standard level's number, a message, and fields as the text of a JSON object."""


class Finished(NamedTuple):
    """The end of an attempt, as its worker reports it: a result, or an error."""

    lease: Lease
    result: Any
    error: Reported | None


class FinishOutcome(NamedTuple):
    """The outcome of the end of one lease."""

    status: str | None
    """The task's status after it; None if the lease was lost."""
    fault: str | None = None
    """Why the result cannot be stored, if that has ended the task."""


class SeenWorkers:
    """Notes which workers of tenants live. Not each call writes a row."""

    def __init__(self) -> None:
        """Begin without any."""
        self._noted: OrderedDict[tuple[UUID, str], tuple[float, LeasingWorker]] = OrderedDict()

    def is_due(self, tenant_id: UUID, worker: LeasingWorker) -> bool:
        """Return whether a row has to be written."""
        noted = self._noted.get((tenant_id, worker.name))
        return noted is None or noted[1] != worker or time.monotonic() - noted[0] > timing.SEEN_EVERY

    def note(self, tenant_id: UUID, worker: LeasingWorker) -> None:
        """Note that a row was written."""
        self._noted[tenant_id, worker.name] = time.monotonic(), worker
        self._noted.move_to_end((tenant_id, worker.name))
        if len(self._noted) > _MAX_SEEN:
            self._noted.popitem(last=False)


async def note(database: Database, seen: SeenWorkers, tenant_id: UUID, worker: LeasingWorker) -> None:
    """Note that a worker asks for tasks. Raises ``Unavailable``."""
    if not seen.is_due(tenant_id, worker):
        return
    async with database.transaction(tenant_id) as connection:
        types = list(worker.task_types)
        await lease_store.seen(connection, tenant_id, worker.name, version=worker.version, task_types=types)
    seen.note(tenant_id, worker)


async def require_types(
    database: Database, tenant_id: UUID, own: Mapping[str, OwnType], names: Sequence[str], pool_of: Any
) -> None:
    """Raise ``InvalidRequest`` for a type that the tenant does not have. One that was deleted may have tasks left."""
    for place, name in enumerate(names):
        if name in own:
            continue
        async with database.transaction(tenant_id) as connection:
            if not await lease_store.has_waiting(connection, tenant_id, pool_of(name)):
                detail = "There is no such task type of your own. Declare it by PUT /api/task-types/{name}."
                raise InvalidRequest(
                    "The request is not valid. Correct each place that errors names.",
                    errors=[{"pointer": f"#/tasks/{place}", "detail": detail}],
                )


async def take(
    database: Database, tenant_id: UUID, worker: LeasingWorker, seconds: Mapping[str, int], limit: int
) -> list[Leased]:
    """Lease due tasks of these types, at most ``limit``. ``seconds`` of a renewal by type. Raises ``Unavailable``.

    If the answer of Postgres is lost, the leases end by themselves, since no call names them.
    """
    async with database.statement() as connection:
        rows = await lease_store.lease(connection, tenant_id, seconds, limit=limit, worker=worker.name, key=uuid4())
    return [Leased(Lease(tenant_id, row["task_id"], row["claim_token"]), row) for row in rows]


async def renew(database: Database, tenant_id: UUID, leases: Sequence[Lease]) -> dict[Lease, Renewed]:
    """Renew leases; return those that are valid. Raises ``Unavailable``."""
    if not leases:
        return {}
    async with database.transaction(tenant_id) as connection:
        return await _renew(connection, tenant_id, leases)


async def beat(
    database: Database, tenant_id: UUID, beats: Sequence[Beat], *, plan: str
) -> tuple[dict[Lease, Renewed], dict[Lease, int], bool]:
    """Renew leases, and store their progress and log lines.

    Return the valid leases, how many lines of each were dropped, and whether the tenant's queue is paused. Raises
    ``Unavailable``.
    """
    dropped: dict[Lease, int] = {}
    async with database.transaction(tenant_id) as connection:
        # Each task's row is locked before its lease, as in a claim.
        for one in sorted(beats, key=lambda beat: beat.lease.task_id):
            lease = one.lease
            if one.progress is not None:
                await store.report_progress(
                    connection, tenant_id, lease.task_id, claim_token=lease.claim_token, progress=one.progress
                )
            if one.lines:
                dropped[lease] = await _log(connection, tenant_id, one, plan)
        valid = await _renew(connection, tenant_id, [one.lease for one in beats])
        workers = sorted({one.worker for one in valid.values()})
        await lease_store.beat(connection, tenant_id, workers)
        paused = await lease_store.is_paused(connection, tenant_id)
    return valid, dropped, paused


async def finish(
    database: Database,
    redis: Redis,
    tenant_id: UUID,
    own: Mapping[str, OwnType],
    finished: Sequence[Finished],
    *,
    max_bytes: int,
) -> list[FinishOutcome]:
    """End leased attempts; return the outcome of each. The same end again has the same one. Raises ``Unavailable``."""
    async with database.transaction(tenant_id) as connection:
        running = await lease_store.running(connection, tenant_id, [one.lease for one in finished])
    ends = [_outcome(one, running.get(one.lease.claim_token), own, max_bytes) for one in finished]
    results = await _end(
        database, redis, [AttemptEnd(one.lease, to) for one, to in zip(finished, ends, strict=True)], running
    )
    return [
        FinishOutcome(result.status if result else None, _fault(one, to) if result else None)
        for one, to, result in zip(finished, ends, results, strict=True)
    ]


async def release(database: Database, redis: Redis, tenant_id: UUID, leases: Sequence[Lease]) -> list[bool]:
    """Give tasks back: they wait again, uncounted. Return which leases were valid. Raises ``Unavailable``."""
    async with database.transaction(tenant_id) as connection:
        running = await lease_store.running(connection, tenant_id, leases)
    results = await _end(database, redis, [AttemptEnd(lease, outcomes.returned(0)) for lease in leases], running)
    return [result is not None for result in results]


def _outcome(one: Finished, row: "asyncpg.Record | None", own: Mapping[str, OwnType], max_bytes: int) -> Outcome:
    # Without a row the attempt does not run: then only the status of the attempt counts, for a repeated end.
    task_type = own.get(row["task"]) if row is not None else None
    if one.error is None:
        return remote_outcomes.result(task_type, one.result, max_bytes)
    counts = _Counts(row["failed_attempts"], row["max_attempts"]) if row is not None else _Counts(0, 1)
    return remote_outcomes.failure(
        task_type, counts, one.error, is_cancelled=row is not None and row["cancel_requested"]
    )


class _Counts(NamedTuple):
    failed_attempts: int
    max_attempts: int


def _fault(one: Finished, outcome: Outcome) -> str | None:
    return outcome.error["message"] if one.error is None and outcome.error is not None else None


async def _end(
    database: Database, redis: Redis, ends: Sequence[AttemptEnd], running: "Mapping[UUID, asyncpg.Record]"
) -> list[FinishResult | None]:
    """Write ends, wake those who wait for them, and forget their leases."""
    results = await end.end_once(database, ends)
    by_pool: dict[str, list[tuple[AttemptEnd, FinishResult | None]]] = {}
    for one, result in zip(ends, results, strict=True):
        row = running.get(one.ref.claim_token)
        by_pool.setdefault(row["pool"] if row else REMOTE_PREFIX, []).append((one, result))
    for pool, pairs in by_pool.items():
        some, theirs = zip(*pairs, strict=True)
        await after_commit.after_commit(redis, some, theirs, pool=pool)
    # Afterwards, because the end must not wait for it. A row that stays is deleted when it expires.
    tenant_id = ends[0].ref.tenant_id
    async with database.transaction(tenant_id) as connection:
        await lease_store.delete(connection, tenant_id, [one.ref for one in ends])
    return results


async def _renew(connection: Connection, tenant_id: UUID, leases: Sequence[Lease]) -> dict[Lease, Renewed]:
    rows = await lease_store.renew(connection, tenant_id, leases)
    return {
        lease: Renewed(row["deadline"], row["worker"], row["cancel_requested"])
        for lease in leases
        if (row := rows.get(lease.claim_token)) is not None
    }


async def _log(connection: Connection, tenant_id: UUID, one: Beat, plan: str) -> int:
    """Store log lines; return how many were dropped, because of the bounds or because the lease is not valid."""
    seq, used = await lease_store.last_line(connection, tenant_id, one.lease)
    lines: list[LogLine] = []
    for number, (level, message, fields) in enumerate(one.lines, seq + 1):
        line = LogLine(number, datetime.now(UTC), log_lines.level_name(level), message, fields)
        used += line.size
        if used > log_lines.MAX_BYTES:
            break
        lines.append(line)
    if not lines:
        return len(one.lines)
    stored = await log_store.append(connection, tenant_id, one.lease, lines, plan=plan)
    return len(one.lines) - stored
