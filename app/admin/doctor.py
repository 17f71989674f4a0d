"""Find what is wrong with an installation, and accept an older timeline when the operator asks."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from app.admin import checkups, cli_runtime
from app.admin.checkups import Checkup
from app.audit import log as audit
from app.broker import timelines as shared
from app.broker.redis_check import RedisCheck
from app.core import redis as redis_connections
from app.core import schema, secrets
from app.core.config import get_settings
from app.db import primary, timelines
from app.db.primary import AWAY, Place
from app.db.timelines import ServerRefused
from app.processes import store

# Seconds for each server.
_TIMEOUT: Final = 3.0


@dataclass(frozen=True)
class Server:
    """One host of DATABASE_URL."""

    host: str
    place: Place | None = None
    schema_version: str | None = None
    fault: str | None = None

    @property
    def is_primary(self) -> bool:
        """True when it answers as a primary, old or current."""
        return self.place is not None and self.place.timeline is not None

    def show(self) -> str:
        """Return a line that describes the server."""
        if self.place is None:
            return self.fault or "it does not tell its timeline"
        role = "standby" if self.place.timeline is None else f"primary on timeline {self.place.timeline}"
        read_only = ", read-only" if self.is_primary and self.place.is_read_only else ""
        return f"{role}{read_only}, system {self.place.system}" + (f": {self.fault}" if self.fault else "")


async def examine() -> dict[str, Any]:
    """Check servers, schema, settings, clocks, connections and secrets files, without changing anything."""
    servers, redis_faults = await _look()
    known = {str(system): timelines.timeline_of(mark) for system, mark in timelines.known().marks().items()}
    faults = [f"{one.host}: {one.fault}" for one in servers if one.fault]
    # The schema is compared only if nothing else is wrong: the schema of a refused server does not matter.
    version = next((one.schema_version for one in servers if one.is_primary and not one.fault), None)
    if any(one.is_primary for one in servers) and (wrong := schema.fault(version)) and not faults:
        faults.append(wrong)
    if sum(one.is_primary for one in servers) > 1:
        faults.append("several hosts of DATABASE_URL are primaries: stop those that you do not want to use")
    around = await _look_around(servers)
    return {
        "postgres": {one.host: one.show() for one in servers},
        "newest_timelines": known,
        "schema": version,
        "schema_expected": schema.EXPECTED,
        "redis": redis_faults or ["no fault found"],
        **{name: value for one in around for name, value in one.shown.items()},
        "faults": [*faults, *redis_faults, *(fault for one in around for fault in one.faults)],
    }


async def _look_around(servers: list[Server]) -> list[Checkup]:
    settings = get_settings()
    worker_file = settings.worker_secrets_file or secrets.worker_path(settings.secrets_file)
    files = checkups.check_files(settings.secrets_file, worker_file)
    found = [checkups.check_settings(), files]
    urls = dict(zip((one.host for one in servers), primary.split(settings.database_url), strict=True))
    usable = [one.host for one in servers if one.is_primary and not one.fault and one.schema_version]
    # Of an old or read-only server nothing of this matters, and without a schema there is nothing to ask.
    if len(usable) == 1 and schema.fault(_version_of(servers, usable[0])) is None:
        found.append(
            await checkups.check_database(urls[usable[0]], files.shown.get("secrets"), settings.database_pool_size)
        )
    return found


def _version_of(servers: list[Server], host: str) -> str | None:
    return next(one.schema_version for one in servers if one.host == host)


def accept_and_record() -> dict[str, Any]:
    """Accept the timeline of the primary that answers, and write that to the audit log. Raises ``CommandRefused``."""
    accepted = asyncio.run(accept_timeline())
    cli_runtime.as_admin(lambda connection: record(connection, accepted))
    return accepted


async def accept_timeline() -> dict[str, Any]:
    """Accept the timeline of the primary that answers as the newest. Raises ``CommandRefused`` unless one does."""
    servers, _ = await _look()
    found = [one for one in servers if one.is_primary]
    # With two primaries the operator must decide first: the other one may have rows that would be lost.
    if len(found) != 1:
        what = "No host of DATABASE_URL answers as a primary" if not found else "Several hosts are primaries"
        message = f"{what}. Run the one that you want to use, and stop the others."
        raise cli_runtime.CommandRefused(message)
    place = found[0].place
    assert place is not None  # noqa: S101 it is a primary
    assert place.timeline is not None  # noqa: S101 it is a primary
    # The old value goes into the audit log, so that the acceptance can be understood later.
    before = timelines.known().newest(place.system)
    timelines.known().accept(place.system, place.timeline)
    redis = redis_connections.connect(get_settings().redis_url)
    try:
        await shared.exchange(redis)
    finally:
        await redis.aclose()
    return {"host": found[0].host, "system": str(place.system), "timeline": place.timeline, "before": before}


async def record(connection: Any, accepted: dict[str, Any]) -> None:
    """Write the acceptance to the audit log."""
    await audit.record(connection, None, cli_runtime.operator(), "timeline.accepted", accepted["system"], accepted)


async def _look() -> tuple[list[Server], list[str]]:
    settings = get_settings()
    timelines.known().keep_in(settings.secrets_file.parent)
    redis = redis_connections.connect(settings.redis_url)
    try:
        await shared.exchange(redis)
        servers = [await _ask(url) for url in primary.split(settings.database_url)]
        # The newest first: it tells which of the others are old.
        for server in sorted(servers, key=lambda one: -((one.place and one.place.timeline) or 0)):
            servers[servers.index(server)] = _judge(server)
        async with asyncio.timeout(_TIMEOUT):
            return servers, await RedisCheck(redis).faults()
    except TimeoutError as error:
        return servers, [redis_connections.reason(error)]
    finally:
        await redis.aclose()


async def _ask(url: str) -> Server:
    parsed = urlsplit(url)
    host = parsed.netloc.rpartition("@")[2]
    try:
        # Connects to a standby too, even if the URL asks for a primary.
        connection = await asyncpg.connect(url, timeout=_TIMEOUT, target_session_attrs=SessionAttribute.any)
    except (*AWAY, asyncpg.PostgresError) as error:
        return Server(host, fault=f"it cannot be reached ({type(error).__name__})")
    try:
        place = await primary.place(connection)
        version = await store.schema_version_any_tenant(connection)
    finally:
        await connection.close(timeout=_TIMEOUT)
    return Server(host, place, version)


def _judge(server: Server) -> Server:
    place = server.place
    if place is None or place.timeline is None:
        return server
    try:
        timelines.known().see(place.system, place.timeline)
    except ServerRefused as refused:
        return replace(server, fault=str(refused))
    return replace(server, fault="it is read-only") if place.is_read_only else server
