"""A folder is a Postgres: started, found, killed, started again, and never opened to strangers."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scripts.stack import embedded, postgres, processes
from scripts.stack.embedded import Server
from scripts.stack.errors import StackError


def query(server: Server, *statements: str) -> Any:
    """Run statements on a connection of their own; returns the first value of the last."""
    return asyncio.run(_query(server.url, statements))


async def _query(url: str, statements: tuple[str, ...]) -> Any:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def test_committed_rows_survive_a_kill(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    query(server, "CREATE TABLE kept AS SELECT generate_series(1, 100)", "SELECT 1")
    embedded.kill(server)
    again = embedded.start_postgres(scratch / "pg")
    assert again.url == server.url
    assert query(again, "SELECT count(*) FROM kept") == 100


def test_a_second_start_finds_the_first(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    assert embedded.start_postgres(scratch / "pg") == server


def test_it_is_durable_and_listens_on_the_loopback_only(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    names = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "unix_socket_directories")
    settings = [query(server, f"SHOW {name}") for name in names]
    assert settings == ["on", "on", "on", "127.0.0.1", ""]
    assert query(server, "SELECT upper('ä')") == "Ä"


def test_a_wrong_password_is_refused(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    wrong = server.url.replace(server.password, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_query(wrong, ("SELECT 1",)))


def test_root_does_not_run_it_as_root(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_a_path_of_more_than_120_characters_works(scratch: Path) -> None:
    folder = scratch / ("long-" * 12) / ("path-" * 14) / "pg"
    assert len(str(folder)) > 120
    for parent in reversed(folder.parents):
        if parent.is_relative_to(scratch) and not parent.exists():
            parent.mkdir(mode=0o711)
    assert query(embedded.start_postgres(folder), "SELECT 1") == 1


def test_a_folder_closed_to_others_stays_closed(scratch: Path) -> None:
    closed = scratch / "home"
    closed.mkdir(mode=0o700)
    server = embedded.start_postgres(closed / "pg")
    query(server, "CREATE TABLE kept AS SELECT 1", "SELECT 1")
    embedded.kill(server)
    assert query(embedded.start_postgres(closed / "pg"), "SELECT count(*) FROM kept") == 1
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_folder_moved_aside_keeps_its_rows_when_a_new_one_takes_its_name(scratch: Path) -> None:
    closed = scratch / "home"
    closed.mkdir(mode=0o700)
    server = embedded.start_postgres(closed / "pg")
    query(server, "CREATE TABLE kept AS SELECT 1", "SELECT 1")
    embedded.stop(server)
    (closed / "pg").rename(closed / "aside")
    assert query(embedded.start_postgres(closed / "pg"), "SELECT to_regclass('kept')") is None
    assert query(embedded.start_postgres(closed / "aside"), "SELECT count(*) FROM kept") == 1


def test_six_starts_at_once_give_one_server(scratch: Path) -> None:
    code = "import sys; from pathlib import Path; from scripts.stack import embedded; "
    code += "print(embedded.start_postgres(Path(sys.argv[1])).pid)"

    def start(_: int) -> str:
        command = [sys.executable, "-c", code, str(scratch / "pg")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(start, range(6)))) == 1


def test_a_taken_port_that_was_asked_for_is_an_error(scratch: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} .* is taken"):
            embedded.start_postgres(scratch / "pg", port=port)


def test_a_port_taken_meanwhile_is_replaced(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    embedded.stop(server)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.port))
        other.listen()
        again = embedded.start_postgres(scratch / "pg")
    assert again.port != server.port
    assert query(again, "SELECT 1") == 1


def test_a_stale_pid_of_another_process_is_no_obstacle(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    pid_file = next(scratch.rglob("postmaster.pid"))
    contents = pid_file.read_text()
    embedded.kill(server)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(contents.replace(str(server.pid), str(stranger.pid), 1))
        assert query(embedded.start_postgres(scratch / "pg"), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stranger_in_the_data_folder_is_left_alone(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    stranger = subprocess.Popen(["sleep", "60"], cwd=scratch / "pg" / "data")
    try:
        embedded.kill(server)
        assert query(embedded.start_postgres(scratch / "pg"), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_that_still_has_the_pid_is_no_obstacle(scratch: Path) -> None:
    code = "import sys, time; from pathlib import Path; from scripts.stack import embedded; "
    code += "print(embedded.start_postgres(Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(scratch / "pg")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout
            pid = int(parent.stdout.readline())
            # Its parent sleeps, and does not reap it.
            os.kill(pid, signal.SIGKILL)
            assert processes.wait_until(lambda: processes.start_time(pid) is None, 10)
            assert Path(f"/proc/{pid}").exists()
            assert query(embedded.start_postgres(scratch / "pg"), "SELECT 1") == 1
        finally:
            parent.kill()


def test_a_busy_backend_that_outlives_its_postmaster_is_no_obstacle(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    data = scratch / "pg" / "data"
    busy = threading.Thread(target=_count_until_killed, args=(server,))
    busy.start()
    assert processes.wait_until(lambda: _is_busy(server), 10)
    embedded.kill(server)
    assert query(embedded.start_postgres(scratch / "pg"), "SELECT 1") == 1
    busy.join(10)
    assert data.exists()


def _count_until_killed(server: Server) -> None:
    with pytest.raises((asyncpg.PostgresError, OSError)):
        query(server, "SELECT count(*) AS endless FROM generate_series(1, 10000000000)")


def _is_busy(server: Server) -> bool:
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%endless%' AND pid <> pg_backend_pid()"
    return bool(query(server, active))


def test_a_half_made_database_is_made_again(scratch: Path) -> None:
    (scratch / "pg" / "data.new" / "base").mkdir(parents=True)
    (scratch / "pg").chmod(0o711)
    assert query(embedded.start_postgres(scratch / "pg"), "SELECT 1") == 1


def test_stop_leaves_no_process_and_no_held_lock(scratch: Path) -> None:
    server = embedded.start_postgres(scratch / "pg")
    embedded.stop(server)
    assert postgres.running_pid(scratch / "pg") is None
    assert processes.working_in(scratch / "pg" / "data", "postgres") == []
    held = subprocess.run(["flock", "--nonblock", scratch / "pg" / "lock", "true"], check=False)
    assert held.returncode == 0
