"""Open everything that the API process needs to answer requests, and close it at the end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from redis.asyncio import Redis

from app.accounts.parts import AccountParts
from app.accounts.tokens import Tokens
from app.broker import timelines
from app.broker.redis_check import RedisCheck
from app.broker.script_connection import ScriptConnection
from app.broker.wakeups import Waiters
from app.core import open_files
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.secrets import get_secrets
from app.db import Database
from app.events.reader import LogReader
from app.events.streams import OpenStreams
from app.events.tail import Tails
from app.http import pagination
from app.http.list_limit import ListLimit
from app.identity.keyring import Keyring
from app.identity.verify import Verifier
from app.monitoring.parts import MonitoringParts
from app.monitoring.readiness import ReadinessProbe
from app.operations.parts import OperationParts
from app.quotas import admission
from app.quotas.rate import Rates
from app.remote.parked_polls import ParkedPolls
from app.remote.parts import RemoteParts
from app.schedules.parts import ScheduleParts
from app.tasks import partitions
from app.tasks.large_bodies import LargeBodies
from app.tasks.own_types import OwnTypes
from app.tasks.read.ended_tasks import EndedTasks
from app.tasks.read.following import Following
from app.tasks.read.reading import Reading
from app.tasks.run.leases import SeenWorkers
from app.tasks.submit.accept import Acceptor
from app.webhooks.endpoints.parts import WebhookParts

Runs = TypeVar("Runs", LogReader, Following, ParkedPolls)

# With the time to get a connection, a caller learns within 2 s that Postgres does not answer.
_COMMAND_TIMEOUT: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class ApiParts(ScheduleParts, RemoteParts, OperationParts, WebhookParts, AccountParts, MonitoringParts):
    """All parts of an API process. A handler asks for those of its room, for example ``TaskParts``."""


@asynccontextmanager
async def opened() -> AsyncIterator[ApiParts]:
    """Yield the parts of this process, which run until the context ends."""
    settings, secrets = get_settings(), get_secrets()
    async with AsyncExitStack() as stack:
        redis = _redis(stack, settings.redis_url)
        # Before the first connection to Postgres, which may be an old primary.
        await timelines.exchange(redis)
        _keep_up(stack, "timelines", timelines.follow(redis))
        scripts = _scripts(stack, settings.redis_url)
        waiters = await _waiters(stack, settings.redis_url)
        databases = _Databases(*(_database(stack, f"tq_{role}") for role in _Databases._fields))
        keys = Keyring(settings.secrets_file)
        verifier = Verifier(databases.auth, secrets.pepper, keys)
        _keep_up(stack, "open-files", open_files.OpenFiles().run())
        _keep_up(stack, "auth-epoch", verifier.run())
        # No dispatcher may have run for long, and a backup may be of another month.
        _keep_up(stack, "partitions", partitions.keep_as_submitter())
        reading = _reading(stack, databases.api, waiters)
        log_reader = _kept_up(stack, LogReader(databases.api, waiters), "events")
        parts = ApiParts(
            list_limit=ListLimit(settings.database_pool_size, reading.require_postgres),
            cursor_key=pagination.derive_key(secrets.pepper(secrets.pepper_id)),
            verifier=verifier,
            count_call=admission.count,
            accounts=databases.account,
            tokens=Tokens(databases.account, databases.auth, verifier, keys),
            rates=Rates(scripts),
            reader=databases.api,
            acceptor=Acceptor(databases.submit, databases.api, scripts),
            large_bodies=LargeBodies(),
            reading=reading,
            log_reader=log_reader,
            tails=Tails(log_reader),
            own_types=OwnTypes(databases.api),
            worker=databases.worker,
            seen_workers=SeenWorkers(),
            parked_polls=await _parked_polls(stack, settings.redis_url),
            following=_kept_up(stack, Following(databases.api, waiters), "followed-tasks"),
            streams=_streams(stack, verifier),
            redis=redis,
            readiness=_readiness(redis, waiters, databases),
        )
        _close_later(stack, parts)
        await parts.readiness.start()
        yield parts


class _Databases(NamedTuple):
    """The connections of the process, by what they log in as: ``tq_api`` and so on."""

    api: Database
    submit: Database
    auth: Database
    account: Database
    worker: Database


def _close_later(stack: AsyncExitStack, parts: ApiParts) -> None:
    """Close the parts when the context ends, the last one first."""
    stack.callback(parts.rates.close)
    stack.push_async_callback(parts.acceptor.close)
    stack.callback(parts.large_bodies.close)
    stack.callback(parts.tokens.close)
    stack.push_async_callback(parts.readiness.close)


def _readiness(redis: Redis, waiters: Waiters, databases: Sequence[Database]) -> ReadinessProbe:
    """Return the probe that looks at the servers; ``databases`` are left when Postgres turns out to be read-only."""
    # A connection of its own: it must not wait behind the requests.
    own = Database("tq_api", size=1, command_timeout=_COMMAND_TIMEOUT)
    return ReadinessProbe(own, RedisCheck(redis), others=databases, is_subscribed=lambda: waiters.healthy)


def _reading(stack: AsyncExitStack, database: Database, waiters: Waiters) -> Reading:
    reading = Reading(database, waiters, EndedTasks(get_settings().ended_tasks_bytes))
    stack.push_async_callback(reading.close)
    return reading


def _redis(stack: AsyncExitStack, redis_url: str) -> Redis:
    redis = redis_connections.connect(redis_url)
    stack.push_async_callback(redis.aclose)
    return redis


async def _waiters(stack: AsyncExitStack, redis_url: str) -> Waiters:
    waiters = Waiters(redis_url)
    await waiters.start()
    stack.push_async_callback(waiters.close)
    return waiters


async def _parked_polls(stack: AsyncExitStack, redis_url: str) -> ParkedPolls:
    polls = ParkedPolls(redis_url)
    await polls.start()
    return _kept_up(stack, polls, "parked-polls")


def _scripts(stack: AsyncExitStack, redis_url: str) -> ScriptConnection:
    scripts = ScriptConnection(redis_url)
    stack.push_async_callback(scripts.close)
    return scripts


def _keep_up(stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    """Run something in the background until the application ends."""
    stack.callback(asyncio.create_task(work, name=name).cancel)


def _streams(stack: AsyncExitStack, verifier: Verifier) -> OpenStreams:
    streams = OpenStreams(verifier)
    _keep_up(stack, "streams", streams.run())
    return streams


def _kept_up(stack: AsyncExitStack, made: Runs, name: str) -> Runs:
    """Let a part run in the background, and close it when the application ends. Returns the part."""
    stack.push_async_callback(made.close)
    _keep_up(stack, name, made.run())
    return made


def _database(stack: AsyncExitStack, role: str) -> Database:
    database = Database(role, command_timeout=_COMMAND_TIMEOUT)
    stack.push_async_callback(database.close)
    return database
