"""The twelve ways in which a rehearsal breaks its stack: each by what an operator or a tenant could do."""

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from scripts.rehearsal.stage import Stage
from scripts.stack import ports

_MEGABYTE: Final = 1_048_576


@dataclass(frozen=True)
class Incident:
    """One way to break a stack."""

    name: str
    alert: str
    """The alert that must fire."""
    broken: Callable[[Stage], AbstractContextManager[None]]
    """Breaks it, and mends it again at the end of the block."""
    needs_own_disk: bool = False


@contextmanager
def _queue_grows(stage: Stage) -> Iterator[None]:
    tasks = [stage.submit(task="long_task", payload={"seconds": 600, "steps": 600}) for _ in range(20)]
    yield
    for task_id in tasks:
        stage.call(f"/api/tasks/{task_id}/cancel", {})


@contextmanager
def _worker_dies(stage: Stage) -> Iterator[None]:
    os.kill(stage.pid("worker1"), signal.SIGKILL)
    yield
    stage.up()


@contextmanager
def _dispatcher_stops(stage: Stage) -> Iterator[None]:
    os.kill(stage.pid("dispatcher"), signal.SIGTERM)
    yield
    stage.up()


@contextmanager
def _postgres_slow(stage: Stage) -> Iterator[None]:
    # Its processes run for a moment in each 1.3 s, as on a host whose disk or CPU is not to be had.
    postmaster, mended = stage.stack.postgres_pid or 0, threading.Event()

    def brake() -> None:
        while not mended.is_set():
            for number, seconds in ((signal.SIGSTOP, 1.3), (signal.SIGCONT, 0.02)):
                for pid in _children(postmaster):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(seconds)

    thread = threading.Thread(target=brake)
    thread.start()
    try:
        yield
    finally:
        mended.set()
        thread.join()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which is in parentheses, come the state and the parent.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@contextmanager
def _postgres_read_only(stage: Stage) -> Iterator[None]:
    stage.sql("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    yield
    stage.sql("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


@contextmanager
def _redis_full(stage: Stage) -> Iterator[None]:
    with stage.redis() as redis:
        before = redis.config_get("maxmemory")["maxmemory"]
        redis.config_set("maxmemory", 1000)
        yield
        redis.config_set("maxmemory", before)


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def _endpoint_dead(stage: Stage) -> Iterator[None]:
    port = ports.free_port()
    for _ in range(10):
        stage.submit(task="echo", webhook_url=f"http://127.0.0.1:{port}/")
    yield
    # It comes back, and gets what it has missed: the server lives as long as the rehearsal.
    server = ThreadingHTTPServer(("127.0.0.1", port), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()


@contextmanager
def _tenant_floods(stage: Stage) -> Iterator[None]:
    key = stage.admin("tenant", "create", "flood", "--name", "Flood", "--plan", "free")["api_key"]
    mended = threading.Event()

    def flood() -> None:
        while not mended.is_set():
            stage.call("/api/tasks?limit=1", key=key)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        mended.set()
        thread.join()


@contextmanager
def _files_run_out(stage: Stage) -> Iterator[None]:
    api = stage.pid("api")
    soft, hard = resource.prlimit(api, resource.RLIMIT_NOFILE)
    opened = len(list(Path(f"/proc/{api}/fd").iterdir()))
    resource.prlimit(api, resource.RLIMIT_NOFILE, (opened + opened // 10 + 1, hard))
    yield
    resource.prlimit(api, resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def _partition_missing(stage: Stage) -> Iterator[None]:
    # The dispatcher would make it again within 15 s.
    os.kill(stage.pid("dispatcher"), signal.SIGTERM)
    first = datetime.now(UTC).replace(day=1)
    month = (first + timedelta(days=32)).strftime("%Y%m")
    stage.sql(f"DROP TABLE task_log_p{month}", "SELECT 1")
    yield
    stage.up()


@contextmanager
def _schema_old(stage: Stage) -> Iterator[None]:
    before = stage.sql("SELECT version_num FROM alembic_version")
    stage.sql("UPDATE alembic_version SET version_num = 'r0000'", "SELECT 1")
    yield
    stage.sql(f"UPDATE alembic_version SET version_num = '{before}'", "SELECT 1")  # noqa: S608 what was there before


@contextmanager
def _disk_full(stage: Stage) -> Iterator[None]:
    file = stage.data_dir / "filler"
    space = os.statvfs(stage.data_dir)
    free, size = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    # A part of it stays free, so that the rehearsal can go on.
    with file.open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(_MEGABYTE, free - size // 20))
    yield
    file.unlink()


INCIDENTS: Final = (
    Incident("schema old", "TaskQueueSchemaDiffers", _schema_old),
    Incident("Redis full", "TaskQueueRedisFaulty", _redis_full),
    Incident("Postgres read-only", "TaskQueuePostgresReadOnly", _postgres_read_only),
    Incident("Postgres slow", "TaskQueuePostgresSlow", _postgres_slow),
    Incident("files run out", "TaskQueueFilesRunOut", _files_run_out),
    Incident("disk full", "TaskQueueDiskFull", _disk_full, needs_own_disk=True),
    Incident("tenant floods", "TaskQueueTenantFloods", _tenant_floods),
    Incident("endpoint dead", "TaskQueueDeliveriesFail", _endpoint_dead),
    Incident("dispatcher stops", "TaskQueueNoLeader", _dispatcher_stops),
    Incident("partition missing", "TaskQueuePartitionMissing", _partition_missing),
    Incident("worker dies", "TaskQueueWorkerLost", _worker_dies),
    Incident("queue grows", "TaskQueueBacklogAges", _queue_grows),
)
