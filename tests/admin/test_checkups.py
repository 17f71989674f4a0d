"""What the doctor finds around the servers: each fault is made, and is named."""

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import asyncpg
import pytest

from app.admin import checkups
from app.core import secrets
from tests.conftest import Stack

Admin = Callable[..., CompletedProcess[str]]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A secrets file, and that of its workers."""
    whole = tmp_path / "secrets.json"
    secrets.write_for_workers(secrets.create(whole), secrets.worker_path(whole))
    return whole, secrets.worker_path(whole)


def test_files_that_only_their_owner_reads_and_that_agree_are_right(files: tuple[Path, Path]):
    found = checkups.check_files(*files)
    assert found.faults == []
    assert found.shown["secrets"] == secrets.fingerprint_of(files[0])


def test_a_file_that_others_read_that_is_missing_or_does_not_fit_is_named(files: tuple[Path, Path], tmp_path: Path):
    whole, worker = files
    whole.chmod(0o644)
    assert f"chmod 600 {whole}" in checkups.check_files(whole, worker).faults[0]
    whole.chmod(0o600)
    other = secrets.create(tmp_path / "other.json")
    assert "does not fit" in checkups.check_files(tmp_path / "other.json", worker).faults[0]
    assert secrets.fingerprint(other) != secrets.fingerprint_of(whole)
    assert "is missing" in checkups.check_files(tmp_path / "nowhere.json", worker).faults[0]


def test_a_fingerprint_follows_the_file(files: tuple[Path, Path]):
    before = secrets.fingerprint_of(files[0])
    secrets.add_kek(files[0])
    assert secrets.fingerprint_of(files[0]) not in {before, None}
    assert secrets.fingerprint_of(files[0].with_name("nowhere.json")) is None


def test_a_misspelled_setting_is_named_and_others_are_left_alone(tmp_path: Path):
    (tmp_path / ".env").write_text("DATABASE_POOL_SIZ=3\nIMAGE=mine\nMY_OWN_THING=1\n")
    found = checkups.check_settings(tmp_path / ".env", {"PATH": "/bin", "TASK_MODULE": "a"})
    assert found.faults == [
        "DATABASE_POOL_SIZ is no setting. Did you mean DATABASE_POOL_SIZE?",
        "TASK_MODULE is no setting. Did you mean TASK_MODULES?",
    ]


def test_a_clock_and_connections_beyond_their_bounds_are_faults():
    found = checkups.Checkup()
    checkups._add_clock(found, 1.9)
    checkups._add_connections(found, {"used": 90, "room": 100})
    assert found.faults == []
    checkups._add_clock(found, -3.0)
    checkups._add_connections(found, {"used": 91, "room": 100})
    assert [fault.partition(":")[0] for fault in found.faults] == [
        "the clock of this host is 3.0 s from that of Postgres",
        "91 of 100 connections of Postgres are used",
    ]


def test_a_process_with_another_secrets_file_is_named(admin: Admin, environment: dict[str, str]):
    def doctor() -> Any:
        return json.loads(admin("doctor", "--json").stdout.splitlines()[-1])

    async def execute(statement: str, *values: Any) -> None:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            await owner.execute(statement, *values)
        finally:
            await owner.close()

    host, own = f"host-{uuid.uuid4().hex[:8]}", doctor()["secrets"]
    insert = "INSERT INTO process_heartbeat (id, kind, hostname, pid, details) VALUES ($1, $2, $3, $4, $5)"
    for pid, kind, fingerprint in ((7, "webhooks", own), (8, "webhooks", "another"), (9, "operator", "its own")):
        asyncio.run(execute(insert, uuid.uuid4(), kind, host, pid, json.dumps({"secrets": fingerprint})))
    try:
        found = doctor()
        assert [fault for fault in found["faults"] if host in fault] == [
            f"webhooks on {host} (pid 8) has another secrets file than this host: copy the newer one to the other host"
        ]
        assert not [fault for fault in found["faults"] if "log in" in fault]
        assert abs(found["clock_skew_seconds"]) < 2
    finally:
        asyncio.run(execute("DELETE FROM process_heartbeat WHERE hostname = $1", host))


def test_the_bound_of_connections_is_that_of_the_processes_that_are_alive():
    workers = [{"pool": "prefork", "slots": 8}, {"pool": "asyncio", "slots": 1000}, {"pool": "http", "slots": 200}]
    others = [{"kind": "dispatcher"}, {"kind": "webhooks"}, {"kind": "operator"}]
    # 2 + 8, 4 and 4 of the workers; 5, 10 and 7 of the others; 41 of each api.
    assert checkups.bound(workers, others, apis=2, pool_size=10, room=297) == (
        "at most 142 of 297: 51 for the api on each of 2 hosts, 40 for all others; there is room for 5 apis"
    )
    assert checkups.bound([], [], apis=0, pool_size=10, room=40).endswith("there is room for 0 apis")


def test_the_doctor_shows_the_bound(admin: Admin, stack: Stack):
    shown = json.loads(admin("doctor", "--json").stdout)["connections_bound"]
    assert shown.startswith("at most ")
    # The run has one api on this host.
    assert "for the api on each of 1 hosts" in shown
