"""SQL that writes tasks. Every statement names the tenant, and row-level security checks the tenant once more."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.core import ids
from app.db import Connection, affected, call
from app.quotas.schemas import Demand, Grant
from app.tasks.run import outcomes, timing
from app.tasks.run.attempts import AttemptEnd, AttemptRef
from app.tasks.run.fingerprint import fingerprint
from app.tasks.submit.new_tasks import NewTask, Submission

if TYPE_CHECKING:
    import asyncpg


class _End(NamedTuple):
    """The end of one attempt: the first parameters of the SQL functions that end attempts, in their order."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    status: str
    attempt_status: str
    result: str | None
    error: str | None
    progress: str | None
    delay_seconds: float
    seconds: float | None
    fingerprint: UUID | None
    # The last one, because a single end does not need it.
    has_webhook: bool


_CALL_ACCEPT: Final = call("tasks_accept", "tenants", *Demand._fields, *NewTask._fields, "dead_after")
_ACCEPT: Final = f"""
SELECT tenant_id, granted, refused_by, day_used, month_used, waiting, day_ends_in, month_ends_in
FROM {_CALL_ACCEPT}
"""  # noqa: S608 a constant of names
# One task needs neither its tenant twice nor a number.
_CALL_ACCEPT_ONE: Final = call("task_accept", *Demand._fields[1:], *NewTask._fields, "dead_after")
_ACCEPT_ONE: Final = f"SELECT * FROM {_CALL_ACCEPT_ONE}"  # noqa: S608 a constant of names

# A key is free if it has no row, or one that is past its 24 h but not deleted yet. A key in use returns no row.
_TAKE_KEYS = """
INSERT INTO idempotency_key AS k (tenant_id, key, fingerprint, task_id)
SELECT u.tenant_id, u.key, u.fingerprint, u.task_id
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::uuid[]) AS u (tenant_id, key, fingerprint, task_id)
-- In one order, so that two transactions with the same keys cannot lock each other out.
ORDER BY u.tenant_id, u.key
ON CONFLICT (tenant_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, task_id = excluded.task_id, answer = NULL, created_at = now()
    WHERE k.created_at < now() - interval '24 hours'
RETURNING task_id
"""

# The next two statements compare with >= and <= and not with =, which a merge join could use: while the statistics say
# that the table is empty, Postgres would choose a merge join, and read the whole table.
_RELEASE_KEYS = """
DELETE FROM idempotency_key k USING unnest($1::uuid[], $2::text[]) AS u (tenant_id, key)
WHERE (k.tenant_id, k.key) >= (u.tenant_id, u.key) AND (k.tenant_id, k.key) <= (u.tenant_id, u.key) AND k.key = u.key
"""

_KEEP_DECISIONS = """
UPDATE idempotency_key k SET answer = u.answer
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u (tenant_id, key, answer)
WHERE (k.tenant_id, k.key) >= (u.tenant_id, u.key) AND (k.tenant_id, k.key) <= (u.tenant_id, u.key) AND k.key = u.key
"""

_FIND_KEY = """
SELECT tenant_id, task_id, fingerprint, answer FROM idempotency_key
WHERE tenant_id = $1 AND key = $2 AND created_at >= now() - interval '24 hours'
"""

_CALL_CLAIM: Final = call(
    "tasks_claim", "pool", "worker", "tenants", "limits", "key", "dead_after", "deadline_grace", "limit_gap"
)
_CLAIM: Final = f"SELECT * FROM {_CALL_CLAIM}"  # noqa: S608 a constant of names

# The parameters that are the same for all ends, by their names.
_FOR_ALL_ENDS: Final = {
    "cancelled": outcomes.CANCELLED,
    "short_attempt": timing.SHORT_ATTEMPT,
    "short_for": timing.SHORT_FOR,
    "small_result": outcomes.SMALL_RESULT,
}
_CALL_FINISH: Final = call("attempts_finish", *_End._fields, *_FOR_ALL_ENDS)
_FINISH: Final = f"SELECT * FROM {_CALL_FINISH}"  # noqa: S608 a constant of names
_LEADS: Final = call("dispatcher_leads", "token", first=len(_End._fields) + len(_FOR_ALL_ENDS) + 1)
_FINISH_AS_LEADER: Final = f"{_FINISH} WHERE (SELECT {_LEADS})"
# The function for one end reads from the task whether it has a webhook_url.
_CALL_FINISH_ONE: Final = call("attempt_finish", *_End._fields[:-1], *_FOR_ALL_ENDS)
_FINISH_ONE: Final = f"SELECT * FROM {_CALL_FINISH_ONE}"  # noqa: S608 a constant of names


async def accept_any_tenant(
    connection: Connection, demands: Mapping[UUID, Demand], tasks: Sequence[NewTask]
) -> dict[UUID, Grant]:
    """Count each tenant's tasks and store those that its limits allow (migrations/functions: tasks_accept).

    Returns the ledger of each tenant, with the number of granted tasks. The tasks of a tenant stand oldest first, and
    the first ones are granted. A single task has a function of its own (task_accept), which means the same.
    """
    if len(tasks) == 1:
        [demand] = demands.values()
        one = await connection.fetch(_ACCEPT_ONE, *demand[1:], *tasks[0], timing.WORKER_DEAD_AFTER)
        return {tenant_id: Grant(*rest) for tenant_id, *rest in one}
    counted = list(demands), *zip(*demands.values(), strict=True)
    rows = await connection.fetch(_ACCEPT, *counted, *_columns_of(tasks), timing.WORKER_DEAD_AFTER)
    return {tenant_id: Grant(*rest) for tenant_id, *rest in rows}


# NewTask's first fields are never None; their number must agree with ``tasks_accept``.
_REQUIRED_COLUMNS = 8


def _columns_of(tasks: Sequence[NewTask]) -> Iterator[Sequence[Any]]:
    """Yield the columns of the tasks. Most columns have the same value in all rows: those are sent as one value."""
    for place, values in enumerate(zip(*tasks, strict=True)):
        is_uniform = values.count(values[0]) == len(values)
        # unnest() extends a short column with NULL. ``tasks_accept`` then uses the first value of a required column.
        if place < _REQUIRED_COLUMNS:
            yield values[:1] if is_uniform else values
        else:
            yield () if is_uniform and values[0] is None else values


async def existing_any_tenant(connection: Connection, task_ids: Sequence[UUID]) -> set[UUID]:
    """Return the ids that are stored, of the given ones and of the tenants of the transaction."""
    rows = await connection.fetch("SELECT id FROM task WHERE id = ANY($1::uuid[])", task_ids)
    return {row["id"] for row in rows}


async def take_keys_any_tenant(connection: Connection, submissions: Sequence[Submission]) -> set[UUID]:
    """Store the idempotency keys of submissions. Return the ids of the submissions whose key was free."""
    rows = await connection.fetch(
        _TAKE_KEYS,
        [submission.specs.tenant_id for submission in submissions],
        [submission.idempotency and submission.idempotency.key for submission in submissions],
        [submission.idempotency and submission.idempotency.fingerprint for submission in submissions],
        [submission.id for submission in submissions],
    )
    return {row["task_id"] for row in rows}


async def release_keys_any_tenant(connection: Connection, submissions: Sequence[Submission]) -> None:
    """Release the keys of submissions that were refused in the same transaction."""
    if submissions:
        await connection.execute(
            _RELEASE_KEYS,
            [submission.specs.tenant_id for submission in submissions],
            [submission.idempotency and submission.idempotency.key for submission in submissions],
        )


async def keep_decisions_any_tenant(connection: Connection, decisions: Sequence[tuple[Submission, str]]) -> None:
    """Store the decisions that answer a replay with their keys, as text (submit/decision.py).

    The keys must have been taken in the same transaction.
    """
    if decisions:
        await connection.execute(
            _KEEP_DECISIONS,
            [submission.specs.tenant_id for submission, _ in decisions],
            [submission.idempotency and submission.idempotency.key for submission, _ in decisions],
            [text for _, text in decisions],
        )


async def find_key(connection: Connection, tenant_id: UUID, key: str) -> "asyncpg.Record | None":
    """Return the row of an idempotency key from the last 24 h, or None."""
    return await connection.fetchrow(_FIND_KEY, tenant_id, key)


async def status(connection: Connection, tenant_id: UUID, task_id: UUID) -> str | None:
    """Return a task's status, or None if the task is unknown."""
    found: str | None = await connection.fetchval(
        "SELECT status FROM task WHERE tenant_id = $1 AND id = $2", tenant_id, task_id
    )
    return found


async def claim_any_tenant(
    connection: Connection, wanted: "Mapping[UUID, int]", *, pool: str, worker_id: UUID, key: UUID
) -> "list[asyncpg.Record]":
    """Claim due tasks of several tenants for a worker (migrations/functions: tasks_claim).

    Call it outside a transaction. ``wanted`` is the most tasks for each tenant. ``key`` is random, and new for each
    claim. Returns one row for each claimed task.
    """
    times = timing.WORKER_DEAD_AFTER, timing.DEADLINE_GRACE, timing.LIMIT_GAP
    return list(await connection.fetch(_CLAIM, pool, worker_id, list(wanted), list(wanted.values()), key, *times))


async def begun_by_claim_any_tenant(connection: Connection, worker_id: UUID, key: UUID) -> "list[asyncpg.Record]":
    """Return the running attempts that the claim with this ``key`` has begun, of the tenants of the transaction."""
    begun = (
        "SELECT tenant_id, task_id, claim_token FROM attempt "
        "WHERE worker_id = $1 AND finished_at IS NULL AND claim_token BETWEEN $2 AND $3"
    )
    return list(await connection.fetch(begun, worker_id, *ids.with_first_half_of(key)))


async def finish_any_tenant(
    connection: Connection, ends: Sequence[AttemptEnd], fence: UUID | None = None
) -> "list[asyncpg.Record]":
    """End attempts by their claim tokens. Return one row for each (migrations/functions: attempts_finish).

    A single end has a function of its own (attempt_finish), which means the same and costs less.
    ``fence`` is the token of a dispatcher's lease: if another dispatcher leads, nothing is ended and no row returned.
    """
    if fence is None and len(ends) == 1:
        return list(await connection.fetch(_FINISH_ONE, *_row_of(ends[0])[:-1], *_FOR_ALL_ENDS.values()))
    parameters = *zip(*map(_row_of, ends), strict=True), *_FOR_ALL_ENDS.values()
    if fence is None:
        return list(await connection.fetch(_FINISH, *parameters))
    return list(await connection.fetch(_FINISH_AS_LEADER, *parameters, fence))


def _row_of(end: AttemptEnd) -> _End:
    ref, outcome = end.ref, end.outcome
    error, progress = map(_json, (outcome.error, end.progress))
    return _End(
        tenant_id=ref.tenant_id, task_id=ref.task_id, claim_token=ref.claim_token, status=outcome.status,
        attempt_status=outcome.attempt_status, result=outcome.result, error=error, progress=progress,
        delay_seconds=outcome.delay_seconds, seconds=end.seconds, has_webhook=end.has_webhook,
        fingerprint=fingerprint(outcome.error) if outcome.error is not None and outcome.has_failed else None,
    )  # fmt: skip


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


async def report_progress(
    connection: Connection, tenant_id: UUID, task_id: UUID, *, claim_token: UUID, progress: Any
) -> None:
    """Store an attempt's progress. Do nothing if the claim token is no longer the task's current one."""
    await connection.execute(
        "UPDATE task SET progress = $4 WHERE tenant_id = $1 AND id = $2 AND claim_token = $3 AND status = 'STARTED'",
        tenant_id, task_id, claim_token, progress,
    )  # fmt: skip


# The function is volatile, so the call for each task sees what the calls before it have written. The statistics count
# these ends, as they count those of attempts (migrations/functions: usage_roll_up).
_REVOKE: Final = """
WITH revoked AS MATERIALIZED (
    SELECT u.task_id, r.task, r.status FROM unnest($2::uuid[]) AS u (task_id),
        LATERAL waiting_revoke(p_tenant => $1, p_task => u.task_id, p_error => $3, p_is_expiry => $4) AS r
), counted AS (
    INSERT INTO worker_time (tenant_id, task, attempts, seconds, samples)
    SELECT $1, task, 0, 0, array_agg(stat_sample(p_status => status, p_has_run => false, p_seconds => 0, p_waited => 0,
                                                 p_limited => 0))
    FROM revoked GROUP BY task
)
SELECT task_id FROM revoked
"""


async def revoke_waiting(
    connection: Connection, tenant_id: UUID, task_ids: Sequence[UUID], error: dict[str, Any], *, is_expiry: bool = False
) -> list[UUID]:
    """End waiting tasks as REVOKED; return the ids of those that waited (migrations/functions: waiting_revoke).

    ``error`` is the JSON object to store. With ``is_expiry`` a task ends only if its time to start has passed.
    """
    return [row["task_id"] for row in await connection.fetch(_REVOKE, tenant_id, task_ids, error, is_expiry)]


async def request_cancel(connection: Connection, tenant_id: UUID, task_id: UUID) -> bool:
    """Request the end of a running task. Return False if it does not run."""
    done = await connection.execute(
        "UPDATE task SET cancel_requested_at = coalesce(cancel_requested_at, now()) "
        "WHERE tenant_id = $1 AND id = $2 AND status = 'STARTED'",
        tenant_id, task_id,
    )  # fmt: skip
    return affected(done) > 0


# LATERAL with LIMIT: one look-up by the key for each attempt. A plain join may be planned as a scan of all tasks while
# the statistics are out of date.
_HELD = """
SELECT k.claim_token, k.is_cancelled FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS u (tenant_id, task_id, token)
CROSS JOIN LATERAL (
    SELECT t.claim_token, t.cancel_requested_at IS NOT NULL AS is_cancelled FROM task t
    WHERE t.tenant_id = u.tenant_id AND t.id = u.task_id AND t.claim_token = u.token AND t.status = 'STARTED'
    LIMIT 1
) AS k
"""


async def held_any_tenant(connection: Connection, attempts: Sequence[AttemptRef]) -> dict[UUID, bool]:
    """Return the claim tokens of the attempts that still run, and for each whether its tenant has cancelled it."""
    tenant_ids, task_ids = [one.tenant_id for one in attempts], [one.task_id for one in attempts]
    rows = await connection.fetch(_HELD, tenant_ids, task_ids, [one.claim_token for one in attempts])
    return {row["claim_token"]: row["is_cancelled"] for row in rows}


async def retry_state(
    connection: Connection, tenant_id: UUID, task_id: UUID, claim_token: UUID
) -> "asyncpg.Record | None":
    """Return a running task's type, its failed and allowed attempts, and how many attempts were lost.

    None if the task does not run under this claim token. Attempts that ended with their worker's restart do not count
    as lost, because the task's code did not cause it.
    """
    return await connection.fetchrow(
        "SELECT task, failed_attempts, max_attempts, "
        "(SELECT count(*) FROM attempt a WHERE a.tenant_id = $1 AND a.task_id = $2 AND a.status = 'LOST' "
        "AND a.error ->> 'type' IS DISTINCT FROM 'WorkerRestarted') AS times_lost FROM task "
        "WHERE tenant_id = $1 AND id = $2 AND claim_token = $3 AND status = 'STARTED'",
        tenant_id, task_id, claim_token,
    )  # fmt: skip
