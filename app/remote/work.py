"""Lease, renew and end tasks for a worker of a tenant, and write the answers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.core.errors import InvalidRequest
from app.http import long_poll
from app.http.long_poll import WaitingClient
from app.identity.principal import Principal
from app.remote.parts import RemoteParts
from app.remote.schemas import FinishRequest, HeartbeatRequest, LeaseBeat, LeaseEnd, LeaseMore, ReportedLine
from app.remote.type_schemas import DEFAULT_LEASE_SECONDS
from app.tasks import lease_store
from app.tasks.definition.own_types import pool_of
from app.tasks.run import leases
from app.tasks.run.leases import Beat, Finished, FinishOutcome, Lease, Leased, LeasingWorker, Renewed
from app.tasks.run.log_lines import MAX_FIELDS
from app.tasks.run.remote_outcomes import Reported
from app.tenants import plans

_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
# A lease that no text names: nothing in the database is found by it.
_NONE: Final = UUID(int=0)


def _lease(tenant_id: UUID, text: str) -> Lease:
    # A text that is no lease is answered like one that is lost.
    return leases.read(tenant_id, text) or Lease(tenant_id, _NONE, _NONE)


class _CheckedCall(NamedTuple):
    """A lease call that was checked. Its worker was noted, and what it holds was renewed."""

    tenant_id: UUID
    worker: LeasingWorker
    seconds: Mapping[str, int]
    """Seconds of a renewal, by task type."""
    max_tasks: int
    lost: list[str]


async def lease(parts: RemoteParts, principal: Principal, wanted: LeaseMore) -> dict[str, str]:
    """Lease tasks; return the members of the answer as JSON texts. Raises ``InvalidRequest``."""
    asked = await _ask(parts, principal, wanted)
    return await _answer(parts, asked, await _take(parts, asked))


async def wait_and_lease(
    parts: RemoteParts, principal: Principal, wanted: LeaseMore, seconds: float, client: WaitingClient
) -> dict[str, str] | None:
    """Do the same, and wait up to ``seconds`` while no task is due. Returns None if the client has disconnected.

    It uses no connection to Postgres while it waits. Raises ``InvalidRequest`` and ``TooManyPolls``.
    """
    polls, limit = parts.parked_polls, plans.limits_of(principal).parked_polls
    names, max_tasks = list(dict.fromkeys(wanted.tasks)), wanted.max or 1
    with polls.parked(principal.tenant_id, names, max_tasks=max_tasks, limit=limit) as poll:
        asked = await _ask(parts, principal, wanted)

        async def look() -> list[Leased]:
            if poll.is_over:
                return []
            with poll.looking():
                return await _take(parts, asked)

        taken = await long_poll.poll(look, lambda found: bool(found) or poll.is_over, poll, seconds, client)
    # A message may have named fewer tasks than are due: the next poll looks for the rest.
    for name in {one.row["task"] for one in taken or () if one.row["has_more"]}:
        polls.wake(principal.tenant_id, name, 1)
    if taken and await _is_gone(client):
        await leases.release(parts.worker, parts.redis, principal.tenant_id, [one.lease for one in taken])
        return None
    return None if taken is None else await _answer(parts, asked, taken)


async def _is_gone(client: WaitingClient) -> bool:
    # A client that has disconnected is known at once, so one round of the event loop is enough.
    leaving = asyncio.ensure_future(client.gone())
    await asyncio.sleep(0)
    is_gone = leaving.done()
    leaving.cancel()
    return is_gone


async def _ask(parts: RemoteParts, principal: Principal, wanted: LeaseMore) -> _CheckedCall:
    """Check a lease call, note its worker and renew what it holds. Raises ``InvalidRequest``."""
    tenant_id = principal.tenant_id
    names = list(dict.fromkeys(wanted.tasks))
    own = await parts.own_types.of(tenant_id, *names)
    await leases.require_types(parts.reader, tenant_id, own, names, pool_of)
    worker = LeasingWorker(wanted.worker, wanted.version, tuple(names))
    await leases.note(parts.worker, parts.seen_workers, tenant_id, worker)
    holding = wanted.holding or []
    renewed = await leases.renew(parts.worker, tenant_id, [_lease(tenant_id, text) for text in holding])
    seconds = {
        name: wanted.lease_seconds or (own[name].lease_seconds if name in own else DEFAULT_LEASE_SECONDS)
        for name in names
    }
    lost = [text for text in holding if _lease(tenant_id, text) not in renewed]
    return _CheckedCall(tenant_id, worker, seconds, wanted.max or 1, lost)


async def _take(parts: RemoteParts, asked: _CheckedCall) -> list[Leased]:
    return await leases.take(parts.worker, asked.tenant_id, asked.worker, asked.seconds, asked.max_tasks)


async def _answer(parts: RemoteParts, asked: _CheckedCall, taken: Sequence[Leased]) -> dict[str, str]:
    is_paused = False
    if not taken:
        async with parts.worker.transaction(asked.tenant_id) as connection:
            is_paused = await lease_store.is_paused(connection, asked.tenant_id)
    return {
        "leases": f"[{','.join(map(_leased, taken))}]",
        "quiet": _compact(is_paused),
        "lost": _compact(asked.lost),
    }


def _leased(one: Leased) -> str:
    row = one.row
    text = _compact(
        {
            "lease": one.lease.text,
            "task_id": str(row["task_id"]),
            "task": row["task"],
            "attempt": row["attempt"],
            "deadline": _moment(row["expires_at"]),
            "timeout_at": _moment(one.timeout_at),
            "tags": row["tags"],
            "traceparent": row["traceparent"],
            "idempotency_key": str(row["task_id"]),
        }
    )
    # The payload as it was stored: to parse it could change numbers (docs/decisions/0011-json-as-it-came.md).
    return f'{text[:-1]},"payload":{row["payload"]}}}'


def _moment(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")


async def heartbeat(parts: RemoteParts, principal: Principal, wanted: HeartbeatRequest) -> dict[str, str]:
    """Renew leases; return the members of the answer as JSON texts."""
    tenant_id = principal.tenant_id
    beats = [_beat(tenant_id, place, one) for place, one in enumerate(wanted.leases)]
    valid, dropped, paused = await leases.beat(parts.worker, tenant_id, beats, plan=principal.plan)
    states = [
        _state(one.lease, valid.get(beat.lease), dropped.get(beat.lease, 0))
        for one, beat in zip(wanted.leases, beats, strict=True)
    ]
    return {"leases": _compact(states), "quiet": _compact(paused)}


def _beat(tenant_id: UUID, place: int, one: LeaseBeat) -> Beat:
    progress = None if one.progress is None else one.progress.model_dump()
    lines = [_line(f"#/leases/{place}/logs/{number}", line) for number, line in enumerate(one.logs or ())]
    return Beat(_lease(tenant_id, one.lease), progress, lines)


def _line(pointer: str, line: ReportedLine) -> tuple[int, str, str | None]:
    fields = None if line.fields is None else _compact(line.fields)
    if fields is not None and len(fields.encode()) > MAX_FIELDS:
        raise InvalidRequest(
            "The request is not valid. Correct each place that errors names.",
            errors=[
                {"pointer": f"{pointer}/fields", "detail": f"The fields of a line have at most {MAX_FIELDS} bytes."}
            ],
        )
    return _LEVELS[line.level], line.message, fields


def _state(text: str, renewed: Renewed | None, dropped: int) -> dict[str, Any]:
    return {
        "lease": text,
        "outcome": "lease_lost" if renewed is None else "renewed",
        "deadline": None if renewed is None else _moment(renewed.deadline),
        "cancel_requested": renewed is not None and renewed.cancel_requested,
        "logs_dropped": dropped,
    }


async def finish(parts: RemoteParts, principal: Principal, wanted: FinishRequest) -> dict[str, str]:
    """End attempts, and lease more tasks if the request asks for them; return the members of the answer."""
    tenant_id = principal.tenant_id
    own = await parts.own_types.of(tenant_id)
    ended = await leases.finish(
        parts.worker, parts.redis, tenant_id, own, [_finished(tenant_id, one) for one in wanted.results],
        max_bytes=plans.limits_of(principal).result_bytes,
    )  # fmt: skip
    outcomes = [_outcome(one.lease, outcome) for one, outcome in zip(wanted.results, ended, strict=True)]
    more = {"leases": "[]", "quiet": "false", "lost": "[]"}
    if wanted.lease_more is not None:
        more = await lease(parts, principal, wanted.lease_more)
    return {"outcomes": _compact(outcomes), **more}


def _finished(tenant_id: UUID, one: LeaseEnd) -> Finished:
    error = None
    if one.error is not None:
        retry = True if one.retry is None else one.retry
        error = Reported(one.error.type, one.error.message, retry, one.retry_after_seconds)
    return Finished(_lease(tenant_id, one.lease), one.result, error)


def _outcome(text: str, ended: FinishOutcome) -> dict[str, Any]:
    outcome = "lease_lost" if ended.status is None else "ended" if ended.fault is None else "invalid_result"
    return {"lease": text, "outcome": outcome, "status": ended.status, "detail": ended.fault}


async def release(parts: RemoteParts, principal: Principal, texts: Sequence[str]) -> dict[str, str]:
    """Give tasks back; return the members of the answer as JSON texts."""
    named = [_lease(principal.tenant_id, text) for text in texts]
    released = await leases.release(parts.worker, parts.redis, principal.tenant_id, named)
    outcomes = [
        {"lease": text, "outcome": "released" if is_released else "lease_lost"}
        for text, is_released in zip(texts, released, strict=True)
    ]
    return {"outcomes": _compact(outcomes)}
