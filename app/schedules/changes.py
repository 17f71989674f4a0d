"""Create, change, pause, resume and delete schedules. Each change is audited in its transaction."""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from app.audit import log as audit
from app.audit.log import Actor
from app.core import ids
from app.core.errors import IllegalState, InvalidRequest, LimitReached, NotFound
from app.db import Connection, Database
from app.schedules import store
from app.schedules.schemas import DEFAULT_CATCH_UP_SECONDS, Schedule, ScheduleDetail, ScheduleFire, ScheduleValues
from app.schedules.store import ScheduleColumns
from app.schedules.timing import timing_of
from app.tasks.definition.own_types import OwnType
from app.tasks.schemas import SubmitRequest
from app.tasks.submit import validation
from app.tenants import tenancy
from app.tenants.plans import Limits

# The options of a submit that a schedule has, too.
_OPTIONS: Final = ("priority", "expires_seconds", "max_attempts", "timeout_seconds", "tags", "metadata", "webhook_url")
_TIMES: Final = ("cron", "every_seconds", "timezone", "window_seconds", "starts_at", "ends_at")
_AUDITED: Final = ("name", "cron", "every_seconds", "timezone", "task", "overlap", "catch_up")
_NEXT_FIRES: Final = 5
_LAST_FIRES: Final = 20
_NEVER: Final = "The schedule would never fire: its times are all in the past, or there are none."


Facts: TypeAlias = Mapping[str, Any] | asyncpg.Record
"""The columns of a schedule by name."""


class Put(NamedTuple):
    """The schedule after a change by name."""

    schedule: Schedule
    is_new: bool


def described(row: Facts) -> dict[str, Any]:
    """Return a schedule as the API shows it."""
    text = timing_of(row, row["schedule_id"], row["created_at"]).describe()
    return {**{name: row[name] for name in Schedule.model_fields if name != "description"}, "description": text}


def columns(
    tenant_id: UUID, limits: Limits, name: str, wanted: ScheduleValues, own: Mapping[str, OwnType] | None
) -> ScheduleColumns:
    """Return what is stored of a request. Its task is validated as in a submit, with the tenant's ``own`` task types.

    Raises ``InvalidRequest`` and ``OwnTypesNeeded``.
    """
    options = {option: getattr(wanted, option) for option in _OPTIONS}
    request = SubmitRequest.model_construct(task=wanted.task, payload=wanted.payload, **options)
    # Validated now, because the dispatcher that fires it loads no task types (decision 29).
    task = validation.new_task(tenant_id, limits, request, None, own)
    catch_up_seconds = wanted.catch_up_seconds
    return ScheduleColumns(
        name=name,
        cron=wanted.cron,
        every_seconds=wanted.every_seconds,
        timezone=wanted.timezone or "UTC",
        window_seconds=wanted.window_seconds or 0,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        overlap=wanted.overlap or "allow",
        catch_up=wanted.catch_up or "none",
        catch_up_seconds=DEFAULT_CATCH_UP_SECONDS if catch_up_seconds is None else catch_up_seconds,
        max_fires=wanted.max_fires,
        pause_after_failures=wanted.pause_after_failures,
        task=task.task,
        pool=task.pool,
        payload=task.payload,
        priority=task.priority,
        max_attempts=task.max_attempts,
        time_limit_seconds=task.time_limit_seconds,
        timeout_seconds=task.timeout_seconds,
        expires_seconds=task.expires_seconds,
        tags=wanted.tags or [],
        metadata=wanted.metadata or {},
        webhook_url=task.webhook_url,
    )


async def create(
    connection: Connection, actor: Actor, tenant_id: UUID, wanted: ScheduleColumns, *, limit: int, paused: bool
) -> Schedule:
    """Create a schedule. Raises ``LimitReached``, ``IllegalState`` for a name that is taken, ``InvalidRequest``."""
    # The lock on the tenant's row makes two concurrent requests count one after the other.
    await tenancy.lock(connection, tenant_id)
    if await store.count(connection, tenant_id) >= limit:
        raise LimitReached(
            f"The tenant may have {limit} schedules. Delete one, or ask the operator to raise the limit schedules."
        )
    schedule_id, now = ids.new_id(), await connection.fetchval("SELECT now()")
    next_fire_at = timing_of(vars_of(wanted), schedule_id, now).next_after(now)
    if next_fire_at is None:
        raise InvalidRequest(_NEVER)
    try:
        await store.insert(
            connection, tenant_id, schedule_id, wanted,
            next_fire_at=None if paused else next_fire_at, paused_by=actor.name if paused else None,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise IllegalState("Another schedule has this name. Change it by PUT /api/schedules/by-name/{name}.") from None
    await audit.record(connection, tenant_id, actor, "schedule.created", str(schedule_id), _audited(wanted))
    return await shown(connection, tenant_id, schedule_id)


def vars_of(wanted: ScheduleColumns) -> dict[str, Any]:
    """Return the columns by name."""
    return {name: getattr(wanted, name) for name in wanted.__slots__}


async def put(
    connection: Connection, actor: Actor, tenant_id: UUID, wanted: ScheduleColumns, *, limit: int, paused: bool | None
) -> Put:
    """Create or change the schedule with this name. The same request again changes nothing.

    ``paused``: None leaves a schedule that exists as it is. Raises as ``create`` does.
    """
    await tenancy.lock(connection, tenant_id)
    row = await store.lock_name(connection, tenant_id, wanted.name)
    if row is None:
        made = await create(connection, actor, tenant_id, wanted, limit=limit, paused=bool(paused))
        return Put(made, is_new=True)
    schedule_id = row["schedule_id"]
    # A deployment may put the same schedules again and again: what is unchanged leaves no audit event.
    if not wanted.is_as_stored(row):
        await _change(connection, tenant_id, row, wanted)
        await audit.record(connection, tenant_id, actor, "schedule.changed", str(schedule_id), _audited(wanted))
    if paused is not None and paused != row["paused"]:
        if paused:
            await pause(connection, actor, tenant_id, schedule_id, None)
        else:
            await resume(connection, actor, tenant_id, schedule_id)
    return Put(await shown(connection, tenant_id, schedule_id), is_new=False)


async def _change(connection: Connection, tenant_id: UUID, row: asyncpg.Record, wanted: ScheduleColumns) -> None:
    next_fire_at = row["next_fire_at"]
    if not row["paused"] and wanted.max_fires is not None and row["fires"] >= wanted.max_fires:
        raise InvalidRequest(
            f"The schedule has made {row['fires']} tasks already. Send a larger max_fires, or delete it."
        )
    if not row["paused"] and (next_fire_at is None or any(getattr(wanted, name) != row[name] for name in _TIMES)):
        next_fire_at = await _next(connection, vars_of(wanted), row)
        if next_fire_at is None:
            raise InvalidRequest(_NEVER)
    await store.change(connection, tenant_id, row["schedule_id"], wanted, next_fire_at)


async def _next(connection: Connection, facts: Facts, row: asyncpg.Record) -> datetime | None:
    """Return the first fire after now. A clock that was set back causes no fire a second time."""
    after = max(filter(None, [await connection.fetchval("SELECT now()"), row["last_fire_at"]]))
    if facts["max_fires"] is not None and row["fires"] >= facts["max_fires"]:
        return None
    return timing_of(facts, row["schedule_id"], row["created_at"]).next_after(after)


async def pause(connection: Connection, actor: Actor, tenant_id: UUID, schedule_id: UUID, note: str | None) -> Schedule:
    """Pause a schedule; of one that is paused, replace the note. Raises ``NotFound``."""
    row = await _locked(connection, tenant_id, schedule_id)
    # A fire that waited and will not happen must leave a row, too.
    if queued := row["queued_fire_at"]:
        await store.miss(connection, tenant_id, schedule_id, queued, "paused")
    await store.pause(connection, tenant_id, schedule_id, actor.name, note)
    detail = {"name": row["name"], "note": note}
    await audit.record(connection, tenant_id, actor, "schedule.paused", str(schedule_id), detail)
    return await shown(connection, tenant_id, schedule_id)


async def resume(connection: Connection, actor: Actor, tenant_id: UUID, schedule_id: UUID) -> Schedule:
    """Let a paused schedule go on from now; fires of the pause are not made up. Raises ``NotFound``.

    A schedule that is not paused stays as it is.
    """
    row = await _locked(connection, tenant_id, schedule_id)
    if row["paused"]:
        next_fire_at = await _next(connection, row, row)
        await store.resume(connection, tenant_id, schedule_id, next_fire_at)
        await audit.record(connection, tenant_id, actor, "schedule.resumed", str(schedule_id), {"name": row["name"]})
    return await shown(connection, tenant_id, schedule_id)


async def delete(connection: Connection, actor: Actor, tenant_id: UUID, schedule_id: UUID) -> None:
    """Delete a schedule. Tasks that it has made go on. Raises ``NotFound``."""
    row = await _locked(connection, tenant_id, schedule_id)
    await store.delete(connection, tenant_id, schedule_id)
    await audit.record(connection, tenant_id, actor, "schedule.deleted", str(schedule_id), {"name": row["name"]})


async def shown(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> Schedule:
    """Return a schedule. Raises ``NotFound``."""
    row = await store.find(connection, tenant_id, schedule_id)
    if row is None:
        raise NotFound(store.UNKNOWN)
    return Schedule(**described(row))


async def _locked(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> asyncpg.Record:
    row = await store.lock(connection, tenant_id, schedule_id)
    if row is None:
        raise NotFound(store.UNKNOWN)
    return row


def _audited(wanted: ScheduleColumns) -> dict[str, Any]:
    return {name: value for name in _AUDITED if (value := getattr(wanted, name)) is not None}


async def detail(reader: Database, tenant_id: UUID, schedule_id: UUID) -> ScheduleDetail:
    """Return everything about a schedule. Raises ``NotFound``."""
    async with reader.transaction(tenant_id) as connection:
        row = await store.find_payload(connection, tenant_id, schedule_id)
        if row is None:
            raise NotFound(store.UNKNOWN)
        latest = await store.fires(connection, tenant_id, schedule_id, _LAST_FIRES)
    return ScheduleDetail(
        **described(row),
        payload=json.loads(row["payload"]),
        next_fires=next_fires(row, _NEXT_FIRES),
        last_fires=[ScheduleFire(**fire) for fire in latest],
    )


async def for_operator(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> dict[str, Any]:
    """Return a schedule with its latest fires, as an operator sees it: without what the tenant's task is given."""
    found = await shown(connection, tenant_id, schedule_id)
    latest = [ScheduleFire(**fire) for fire in await store.fires(connection, tenant_id, schedule_id, _LAST_FIRES)]
    # These may name the tenant's customers, or hold a token.
    facts = found.model_dump(mode="json", exclude={"metadata", "webhook_url", "tags"})
    return facts | {"last_fires": [fire.model_dump(mode="json") for fire in latest]}


def next_fires(row: Facts, count: int) -> list[datetime]:
    """Return the next ``count`` fires of a schedule; none while it is paused or has ended."""
    if row["next_fire_at"] is None:
        return []
    left = count if row["max_fires"] is None else max(0, min(count, row["max_fires"] - row["fires"]))
    times = timing_of(row, row["schedule_id"], row["created_at"])
    return list(islice(chain([row["next_fire_at"]], times.from_now_on(row["next_fire_at"])), left))
