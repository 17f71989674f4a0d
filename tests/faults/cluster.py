"""The processes under test: a Postgres, a Valkey and every part of the product, to be killed, paused and restarted."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil

from scripts.stack import embedded, ports, processes
from tests import postgres_pair
from tests.faults import commands, effects
from tests.faults.proxy import Proxy
from tests.faults.waiting import until

ROOT: Final = Path(__file__).resolve().parents[2]
PARTS: Final = ("api1", "api2", "dispatcher1", "dispatcher2", "worker1", "worker2", "asyncio1", "webhooks1", "http1")
PROXIED: Final = ("api1", "worker1", "dispatcher1", "webhooks1")
"""Parts whose connections go through proxies of their own, in a cluster with proxies."""
_CRASHED: Final = 137
# No setting of the caller's.
_NOT_OURS: Final = (
    "DATABASE_",
    "REDIS_",
    "SECRETS_",
    "TASK_",
    "WEBHOOK_",
    "HTTP_REQUEST_",
    "WORKER_",
    "LOG_LEVEL",
    "CRASH_",
    "CELERY_",
)


@dataclass
class Cluster:
    """What runs. A part is known by its name; an api keeps its port over restarts."""

    folder: Path
    postgres: embedded.Server
    valkey: embedded.Server
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    apis: dict[str, str] = field(default_factory=dict)
    """Name and URL of each api that clients know."""
    standby: embedded.Server | None = None
    """Of Postgres: then every part's URL names both hosts."""
    proxies: dict[tuple[str, str], Proxy] = field(default_factory=dict)
    """By part and server (``postgres``, ``valkey``)."""
    _log_began: dict[str, int] = field(default_factory=dict)

    @property
    def effects(self) -> Path:
        """The file that the tasks' code writes to."""
        return self.folder / "effects.jsonl"

    def environment(self, name: str = "") -> dict[str, str]:
        """Return the settings of a part; its name is in pg_stat_activity."""
        database = self._url(self.postgres.url, self.proxies.get((name, "postgres")))
        if self.standby is not None:
            database = postgres_pair.url_of_both(self.postgres, self.standby)
        redis = self._url(self.valkey.url, self.proxies.get((name, "valkey")))
        caller = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_OURS)}
        return caller | {
            "DATABASE_URL": f"{database}?application_name={name}" if name else database,
            "REDIS_URL": redis,
            "SECRETS_FILE": str(self.folder / "secrets.json"),
            "TASK_MODULES": "tests.task_types,tests.faults.effects",
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
            "HTTP_REQUEST_ALLOWED_NETWORKS": "127.0.0.0/8",
            "WORKER_DRAIN_SECONDS": "5",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
            effects.FILE: str(self.effects),
        }

    @staticmethod
    def _url(url: str, proxy: Proxy | None) -> str:
        if proxy is None:
            return url
        parsed = urlsplit(url)
        return parsed._replace(netloc=f"{parsed.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()

    def start(self, name: str, **extra: str) -> None:
        """Start a part; ``extra`` are settings of its own. It is not waited for."""
        assert name not in self.processes, f"{name} runs already"
        port = 0
        if commands.kind_of(name) == "api":
            self.apis.setdefault(name, f"http://127.0.0.1:{ports.free_port()}")
            port = int(self.apis[name].rpartition(":")[2])
        with (self.folder / f"{name}.log").open("ab") as log:
            self._log_began[name] = log.tell()
            self.processes[name] = subprocess.Popen(
                commands.command(name, port),
                cwd=ROOT,
                env=self.environment(name) | extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def running(self, kind: str) -> list[str]:
        """Name the parts of a kind that this cluster holds."""
        return [name for name in self.processes if commands.kind_of(name) == kind]

    def kill(self, name: str) -> None:
        """Kill a part as a crash would; a worker's children go with it."""
        self._end(name, signal.SIGKILL, 10)

    def stop(self, name: str, seconds: float = 60) -> None:
        """Tell a part to stop, and wait for its end."""
        self._end(name, signal.SIGTERM, seconds)

    def _end(self, name: str, number: int, seconds: float) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            raise AssertionError(f"{name} has not ended {seconds} s after signal {number}") from None

    def pause(self, name: str) -> None:
        """Stop a part and its children, as a machine that hangs."""
        os.killpg(self.processes[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        os.killpg(self.processes[name].pid, signal.SIGCONT)

    def children(self, name: str) -> list[psutil.Process]:
        """Return the children of a part that live."""
        try:
            found = psutil.Process(self.processes[name].pid).children()
            return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:
            return []

    def has_crashed(self, name: str) -> bool:
        """Tell whether a part has ended at its crash point; raises when it ended otherwise."""
        code = self.processes[name].poll()
        assert code in {None, _CRASHED}, f"{name} ended with {code}: {self.tail(name)}"
        return code is not None

    def ended(self) -> list[tuple[str, int]]:
        """Name the parts that have ended without being told to, and their exit codes."""
        codes = {name: process.poll() for name, process in self.processes.items()}
        return [(name, code) for name, code in codes.items() if code is not None]

    def forget(self, name: str) -> None:
        """Drop a part that has ended; clients know an extra api no more."""
        process = self.processes.pop(name)
        process.wait(10)

    def tail(self, name: str, lines: int = 12) -> str:
        """Return the end of a part's log."""
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_ready(self, *names: str, seconds: float = 60) -> None:
        """Wait until parts do their work: an api answers, a worker has its children and has said that it lives."""
        for name in names:
            check = {"api": self._answers, "worker": self._has_children}.get(commands.kind_of(name), self._is_connected)
            until(lambda name=name, check=check: not self._lives(name) or check(name), f"{name} to start", seconds)

    def _lives(self, name: str) -> bool:
        code = self.processes[name].poll()
        assert code in {None, _CRASHED}, f"{name} ended with {code}: {self.tail(name)}"
        return code is None

    def _answers(self, name: str) -> bool:
        try:
            return httpx.get(f"{self.apis[name]}/readyz", timeout=3, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _has_children(self, name: str) -> bool:
        return len(self.children(name)) >= commands.CHILDREN

    def _is_connected(self, name: str) -> bool:
        # None of them opens a port. A dispatcher that stands by connects once a second, for some milliseconds: to meet it
        # then is luck, so it says so.
        process = psutil.Process(self.processes[name].pid)
        if any(one.raddr for one in process.net_connections("tcp")):
            return True
        return b"dispatcher stands by" in (self.folder / f"{name}.log").read_bytes()[self._log_began[name] :]

    def kill_postgres(self) -> None:
        """Kill the postmaster and its backends."""
        embedded.kill(self.postgres)

    def start_postgres(self) -> None:
        """Start it again where it was."""
        self.postgres = embedded.start_postgres(self.postgres.folder, port=self.postgres.port)

    def kill_valkey(self) -> None:
        """Kill Valkey: nothing of it is kept."""
        embedded.kill(self.valkey)

    def start_valkey(self) -> None:
        """Start it again where it was."""
        self.valkey = embedded.start_valkey(self.valkey.folder, port=self.valkey.port)

    def admin(self, *made: Sequence[str]) -> list[Any]:
        """Run the operator's commands, one after the other; return each JSON object that they print."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tests.faults.operator_commands", json.dumps(made)],
            cwd=ROOT, env=self.environment(), check=False, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, f"admin {made}: {done.stderr[-2000:]}"
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def close(self) -> None:
        """Stop every process, whatever state it is in."""
        for process in self.processes.values():
            for number in (signal.SIGCONT, signal.SIGTERM):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self.processes.clear()
        for proxy in self.proxies.values():
            proxy.close()


@contextlib.contextmanager
def servers(*, with_proxies: bool = False, with_standby: bool = False, disk: Path | None = None) -> Iterator[Cluster]:
    """Yield a cluster whose servers run and whose database is made (on a disk of its own); no part runs yet."""
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(processes.reap)
        folder = cleanup.enter_context(embedded.scratch_folder())
        with ThreadPoolExecutor(2) as pool:
            postgres = pool.submit(embedded.start_postgres, (disk or folder) / "postgres")
            valkey = pool.submit(embedded.start_valkey, folder / "valkey")
        cluster = Cluster(folder, postgres.result(), valkey.result())
        cleanup.callback(embedded.stop, cluster.postgres)
        cleanup.callback(cluster.close)
        cluster.effects.touch()
        if with_proxies:
            for name in PROXIED:
                cluster.proxies[name, "postgres"] = Proxy(cluster.postgres.port)
                cluster.proxies[name, "valkey"] = Proxy(cluster.valkey.port)
        # Two: the second connects to what the first has made.
        cluster.admin(["bootstrap"])
        cluster.admin(["migrate"])
        if with_standby:
            cluster.standby = postgres_pair.make_standby(cluster.postgres, folder / "standby")
            cleanup.callback(embedded.stop, cluster.standby)
            postgres_pair.wait_for_commits(cluster.postgres)
        yield cluster
