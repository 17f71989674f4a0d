"""Which of several Postgres servers a connection leads to, by real failovers."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from app.core.errors import Unavailable
from app.db import Database, primary, timelines
from app.db.timelines import ServerRefused, Timelines
from scripts.stack import embedded
from scripts.stack.server import Server
from tests import log_scan, postgres_pair
from tests.conftest import Stack


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Timelines:
    """What this process has seen: nothing yet."""
    return _forget(monkeypatch, tmp_path)


def _forget(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Timelines:
    # As a process that starts anew.
    made = Timelines()
    made.keep_in(folder)
    monkeypatch.setattr(timelines, "_known", made)
    monkeypatch.setattr(primary, "_last", {})
    monkeypatch.setattr(primary._log_limiter, "_logged_at", {})
    return made


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary and its standby."""
    with log_scan.scratch_folder() as folder:
        first = embedded.start_postgres(folder / "first")
        yield first, postgres_pair.make_standby(first, folder / "second")


@pytest.fixture
def alone() -> Iterator[Server]:
    """A Postgres without a standby."""
    with log_scan.scratch_folder() as folder:
        yield embedded.start_postgres(folder / "alone")


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    made = Database("owner", size=3, url=url, command_timeout=5)
    try:
        yield made
    finally:
        await made.close()


async def _port(database: Database) -> int:
    async with database.transaction() as connection:
        return int(await connection.fetchval("SELECT inet_server_port()"))


async def test_after_a_failover_the_new_primary_is_found_and_the_old_one_refused(
    pair: tuple[Server, Server],
    known: Timelines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = pair
    both = postgres_pair.url_of_both(first, second)
    async with _database(both) as database:
        assert await _port(database) == first.port
        embedded.kill(first)
        await asyncio.to_thread(postgres_pair.promote, second)
        assert await _port(database) == second.port
    embedded.start_postgres(first.folder, port=first.port)
    # A process that starts when the old primary is back, which is first in the URL, knows it by the file.
    _forget(monkeypatch, tmp_path)
    async with _database(both) as database:
        assert await _port(database) == second.port
    with pytest.raises(ServerRefused, match=r"timeline 1.*timeline 2.*accept-timeline"):
        await primary.connect(first.url, timeout=5)
    assert [record.levelno for record in caplog.records if "refused" in record.getMessage()] == [logging.ERROR]


async def test_a_process_that_hears_of_a_newer_timeline_leaves_the_old_primary_at_once(
    pair: tuple[Server, Server], known: Timelines
) -> None:
    first, second = pair
    async with _database(first.url) as database:
        assert await _port(database) == first.port
        await asyncio.to_thread(postgres_pair.promote, second)
        # Its connection lives on, and nothing is wrong with it, until another process tells.
        assert await _port(database) == first.port
        [(system, _)] = known.marks().items()
        known.learn({system: timelines.mark(2)})
        with pytest.raises(Unavailable):
            await _port(database)


async def test_a_standby_is_refused_and_another_host_taken(pair: tuple[Server, Server], known: Timelines) -> None:
    first, second = pair
    with pytest.raises(ServerRefused, match="standby"):
        await primary.connect(second.url, timeout=5)
    async with _database(postgres_pair.url_of_both(second, first)) as database:
        assert await _port(database) == first.port
    async with _database(postgres_pair.url_of_both(second, first, "target_session_attrs=read-write")) as database:
        assert await _port(database) == first.port


async def test_of_two_hosts_the_one_that_may_be_written_to_is_taken(
    pair: tuple[Server, Server], known: Timelines
) -> None:
    first, second = pair
    await asyncio.to_thread(postgres_pair.promote, second)
    async with _database(postgres_pair.url_of_both(first, second)) as database:
        assert await _port(database) == first.port
        await asyncio.to_thread(postgres_pair.set_read_only, first, is_read_only=True)
        with pytest.raises(Unavailable):
            async with database.transaction() as connection:
                await connection.execute("CREATE TABLE written (n int)")
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE written (n int)")
            assert await connection.fetchval("SELECT inet_server_port()") == second.port


async def test_a_host_that_does_not_answer_leaves_time_for_the_next(alone: Server, known: Timelines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = postgres_pair.url_of_both(alone, alone).replace(str(alone.port), str(silent.getsockname()[1]), 1)
        began = time.monotonic()
        connection = await primary.connect(url, timeout=1.5)
        assert time.monotonic() - began < 1.5
        await connection.close()


async def test_one_that_does_not_tell_its_timeline_is_used_with_one_warning(
    alone: Server, known: Timelines, caplog: pytest.LogCaptureFixture
) -> None:
    owner = await asyncpg.connect(alone.url)
    await owner.execute("CREATE ROLE plain LOGIN PASSWORD 'x'")
    await owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    await owner.close()
    url = alone.url.replace(f"postgres:{alone.password}", "plain:x")
    for _ in range(3):
        connection = await primary.connect(url, timeout=5)
        await connection.close()
    assert len([record for record in caplog.records if "does not tell its timeline" in record.getMessage()]) == 1


async def test_a_connection_is_named_after_its_process_and_host(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.logging.JsonLine.service", "webhooks")
    connection = await primary.connect(environment["DATABASE_URL"])
    try:
        assert (
            await connection.fetchval("SELECT current_setting('application_name')")
            == (f"webhooks@{socket.gethostname()}"[:63])
        )
    finally:
        await connection.close()


async def test_a_name_in_the_url_comes_first(environment: dict[str, str]) -> None:
    connection = await primary.connect(f"{environment['DATABASE_URL']}?application_name=mine")
    try:
        assert await connection.fetchval("SELECT current_setting('application_name')") == "mine"
    finally:
        await connection.close()


async def test_the_processes_of_a_stack_are_told_apart_in_pg_stat_activity(
    environment: dict[str, str], stack: Stack
) -> None:
    connection = await primary.connect(environment["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT split_part(application_name, '@', 1) AS kind FROM pg_stat_activity"
        )
    finally:
        await connection.close()
    assert {"api", "dispatcher", "worker"} <= {row["kind"] for row in rows}
