"""Servers and clients for the tests of the wire.

``valkey`` is shared by the whole run: database 0 is emptied before each test, database 1 belongs to two
workers that live as long: ``shared`` (all tenants) and ``dedicated`` (one tenant).
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from celery import Celery
from kombu import Connection
from redis import Redis

from app.broker.envelope import TICKET_TASK
from app.broker.ring import ASYNCIO, PREFORK, queue_name
from app.broker.wiring import configure
from tests.broker.processes import Valkey, Worker

DEDICATED_TENANT = uuid4()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.kill()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server that the test may kill."""
    server = Valkey(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def store(valkey: Valkey) -> Iterator[Redis]:
    """A client of an empty database without workers."""
    with Redis.from_url(valkey.url(), decode_responses=True) as client:
        client.flushdb()
        yield client


@pytest.fixture
async def astore(valkey: Valkey, store: Redis) -> AsyncIterator[redis.asyncio.Redis]:
    """``store`` as api and dispatcher see it."""
    async with redis.asyncio.Redis.from_url(valkey.url()) as client:
        yield client


def app_on(redis_url: str) -> Celery:
    """Make a Celery app which knows ``run_next`` but does not run it."""
    app = configure(Celery("test", set_as_current=False), redis_url)

    @app.task(name=TICKET_TASK, shared=False)
    def run_next(tenant_id: str) -> None:
        """Never called."""

    return app


@pytest.fixture
def broker(valkey: Valkey, store: Redis) -> Iterator[Celery]:
    """A Celery app on ``store``."""
    with app_on(valkey.url()) as app:
        yield app


@pytest.fixture
def served_broker(valkey: Valkey, served: Redis) -> Iterator[Celery]:
    """A Celery app on the database that the workers serve."""
    with app_on(valkey.url(1)) as app:
        yield app


@pytest.fixture
def connection(broker: Celery) -> Iterator[Connection]:
    with broker.connection_for_read() as connection:
        yield connection


@pytest.fixture(scope="session")
def workers(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    logs = tmp_path_factory.mktemp("workers")
    own = ",".join(queue_name(DEDICATED_TENANT, pool) for pool in (PREFORK, ASYNCIO))
    started = {
        "shared": Worker(valkey.url(1), "shared", logs / "shared"),
        "dedicated": Worker(valkey.url(1), "dedicated", logs / "dedicated", "-Q", own),
    }
    yield {name: worker.wait_until_ready() for name, worker in started.items()}
    for worker in started.values():
        worker.stop()


@pytest.fixture
def served(valkey: Valkey, workers: dict[str, Worker]) -> Iterator[Redis]:
    """A client of the database that the workers serve; nothing runs and nothing waits."""
    assert workers
    with Redis.from_url(valkey.url(1), decode_responses=True) as client:
        client.delete("ran", "pause")
        yield client


@pytest.fixture
async def aserved(valkey: Valkey, served: Redis) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(valkey.url(1)) as client:
        yield client


@pytest.fixture
def dedicated_tenant() -> UUID:
    return DEDICATED_TENANT
