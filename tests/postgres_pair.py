"""A primary and its streaming standby, both real servers: to promote the one, and to let the other come back."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from scripts.stack import account, binaries, embedded, placement, server
from scripts.stack.server import Server
from tests.faults.waiting import until


def make_standby(primary: Server, folder: Path) -> Server:
    """Copy a running primary, and start the copy as its standby."""
    folder = server.prepare_folder(folder)
    home = placement.home_of(folder, account.account_for(folder / "data"))
    user = account.account_for(home / "data")
    account.give(home, user)
    program = str(binaries.postgres_bin(user) / "pg_basebackup")
    done = account.run(user, [program, "-d", primary.url, "-D", str(home / "data"), "-R", "-X", "stream", "-c", "fast"])
    assert done.returncode == 0, done.stdout
    server.remember(home, server.Identity(primary.password, None))
    return embedded.start_postgres(folder)


def value(one: Server, statement: str) -> Any:
    """Return what a statement returns on one server, as its superuser."""

    async def ask() -> Any:
        connection = await asyncpg.connect(one.url, timeout=5)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def wait_until_in_sync(primary: Server, standby: Server) -> None:
    """Wait until the standby has all that the primary has written so far."""
    written = value(primary, "SELECT pg_current_wal_lsn()::text")
    until(lambda: value(standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"), "the standby", 20)


def wait_for_commits(primary: Server) -> None:
    """Let every commit wait until the standby has it: then a failover loses nothing that was accepted."""
    value(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    value(primary, "SELECT pg_reload_conf()")
    until(lambda: value(primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"), "sync", 20)
    # The checkpointer tells commits whether they have to wait. It reads the new setting before it begins a checkpoint.
    value(primary, "CHECKPOINT")


def promote(standby: Server) -> None:
    """Make the standby a primary, on a new timeline."""
    assert value(standby, "SELECT pg_promote(true, 30)")


def set_read_only(one: Server, *, is_read_only: bool) -> None:
    """Let the server begin every transaction read-only from now on, or not."""
    value(one, f"ALTER SYSTEM SET default_transaction_read_only = {'on' if is_read_only else 'off'}")
    value(one, "SELECT pg_reload_conf()")
    wanted = "on" if is_read_only else "off"
    until(lambda: value(one, "SHOW default_transaction_read_only") == wanted, "the setting", 10)


def url_of_both(first: Server, second: Server, query: str = "") -> str:
    """Return the owner's URL with both hosts."""
    url = urlsplit(first.url)
    user = url.netloc.rpartition("@")[0]
    return url._replace(netloc=f"{user}@127.0.0.1:{first.port},127.0.0.1:{second.port}", query=query).geturl()
