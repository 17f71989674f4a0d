"""What Redis does not do is found and named, with what to do."""

import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.broker.redis_check import RedisCheck
from app.core.redis import connect, reason
from scripts.stack import account, binaries, embedded, ports, processes
from tests.conftest import Servers
from tests.faults.waiting import until

_DOCUMENTED = ("~*", "&*", "+@all", "-@admin", "-@dangerous", "+info")


@pytest.fixture
async def admin(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url)
    yield client
    await client.aclose()


async def _faults(admin: Redis, servers: Servers, *rules: str) -> list[str]:
    user = f"u{uuid.uuid4().hex[:8]}"
    await admin.execute_command("ACL", "SETUSER", user, "on", ">pw", *rules)
    client = connect(f"redis://{user}:pw@127.0.0.1:{servers.valkey.port}/0")
    try:
        return await RedisCheck(client).faults()
    finally:
        await client.aclose()
        await admin.execute_command("ACL", "DELUSER", user)


async def test_the_documented_user_may_do_all_that_is_needed_and_nothing_is_left_behind(admin: Redis, servers: Servers):
    assert await _faults(admin, servers, *_DOCUMENTED) == []
    await admin.script_flush()
    check = RedisCheck(admin)
    assert await check.faults() == []
    assert await admin.exists(*check._keys) == 0


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (_DOCUMENTED[:-1], "the command info"),
        ((*_DOCUMENTED, "-lmove"), "the command lmove"),
        ((*_DOCUMENTED, "-brpop"), "the command brpop"),
        ((*_DOCUMENTED, "-blmove"), "the command blmove"),
        ((*_DOCUMENTED, "-publish"), "the command publish"),
        ((*_DOCUMENTED, "-evalsha"), "the command evalsha"),
        ((*_DOCUMENTED, "resetchannels"), "a channel"),
        ((*_DOCUMENTED, "resetkeys", "~tenants*"), "a key"),
    ],
)
async def test_a_right_that_is_missing_is_named(admin: Redis, servers: Servers, rules: tuple[str, ...], named: str):
    faults = await _faults(admin, servers, *rules)
    assert any(named in fault and "docs/postgres-and-redis.md" in fault for fault in faults), faults


async def test_a_redis_that_is_full_or_a_replica_is_named_and_only_while_it_is(admin: Redis):
    check = RedisCheck(admin)
    assert await check.faults() == []
    await admin.config_set("maxmemory", 1)
    try:
        assert await check.faults() == ["Redis is full (maxmemory): give it more memory"]
    finally:
        await admin.config_set("maxmemory", 0)
    await admin.replicaof("127.0.0.1", 1)
    try:
        assert await check.faults() == ["Redis is read-only (a replica): point REDIS_URL to the primary"]
    finally:
        await admin.replicaof("NO", "ONE")
    assert await check.faults() == []


async def test_a_wrong_password_is_named(servers: Servers):
    client = connect(f"redis://:wrong@127.0.0.1:{servers.valkey.port}/0")
    assert await RedisCheck(client).faults() == ["Redis refuses the user or the password of REDIS_URL"]
    await client.aclose()


async def test_a_redis_that_is_away_is_away():
    client = connect("redis://127.0.0.1:1/0")
    [fault] = await RedisCheck(client).faults()
    assert fault.startswith("Redis is away")
    await client.aclose()


@pytest.fixture
def cluster() -> Iterator[str]:
    """A Valkey that is a node of a cluster."""
    with embedded.scratch_folder() as folder:
        data = folder / "data"
        data.mkdir()
        user = account.account_for(data)
        account.give(data, user)
        port, bus = ports.free_port(), ports.free_port()
        command = [str(binaries.valkey_program(user)), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
        # Named, because 10,000 above the other one somebody's outgoing connection may have the port.
        command += ["--cluster-port", str(bus)]
        with (Path(folder) / "log").open("ab") as log:
            child: subprocess.Popen[bytes] = account.spawn(user, [*command, "--cluster-enabled", "yes"], log)
        try:
            until(lambda: not ports.is_free(port), "the node", 10)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            child.terminate()
            processes.wait_until(lambda: processes.is_gone(child.pid), 10)


async def test_a_cluster_is_named(cluster: str):
    client = connect(cluster)
    faults = await RedisCheck(client).faults()
    assert "Redis is a Cluster: name a single node without cluster-enabled in REDIS_URL" in faults
    await client.aclose()


async def test_a_certificate_that_is_not_trusted_is_named():
    # As redis-py raises it: the connection's own error, made of the library's.
    error = ConnectionError(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in chain"
    )
    assert "ssl_ca_certs" in reason(error)
