"""The stack of a rehearsal: started and mended by ``scripts/up``, and spoken to as its users and operators do."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import asyncpg
from redis import Redis

from scripts.stack import http_client, parts, ports, stackfile
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

_SIZE: Final = "2g"
# The product as it is shipped, on servers of its own: no setting of the caller's.
_NOT_OURS: Final = ("DATABASE_", "REDIS_", "SECRETS_", "TASK_", "WEBHOOK_", "METRICS_", "OWN_PORTS")
_PORTS: Final = 110


class Stage:
    """A stack in a folder of its own, which is a disk of its own where root can mount one."""

    def __init__(self) -> None:
        """Make the folder."""
        self.folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
        self.data_dir = self.folder / "data"
        self.data_dir.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0711", "tmpfs", str(self.data_dir)]
        is_root = os.geteuid() == 0
        self.has_own_disk = is_root and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        self.metrics_port = _free_range()
        self._port = ports.free_port()

    def up(self) -> None:
        """Start what is missing of the stack."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
        self._run(
            [parts.ROOT / "scripts" / "up", "--detach", "--no-demo", "--port", str(self._port)],
            kept | {"METRICS_PORT": str(self.metrics_port), "LOG_LEVEL": "WARNING"},
        )

    def down(self) -> None:
        """Stop everything, and remove the folder."""
        try:
            self._run([parts.ROOT / "scripts" / "down"], dict(os.environ))
        finally:
            if self.has_own_disk:
                subprocess.run(["umount", str(self.data_dir)], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def stack(self) -> Stack:
        """What runs, and where."""
        return stackfile.load(self.data_dir)

    def pid(self, part: str) -> int:
        """Return the process id of a part."""
        return self.stack.processes[part].pid

    def call(self, path: str, body: object = None, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """Call the API, as the demo tenant unless another key is given."""
        demo = self.stack.demo or {}
        return http_client.call(f"{self.stack.api_url}{path}", body=body, key=key or demo["api_key"])

    def submit(self, **body: Any) -> str:
        """Submit a task that must be accepted; return its id."""
        status, answer = self.call("/api/tasks/submit", body)
        if "task_id" not in answer:
            raise StackError(f"a submit was answered with {status}")
        return str(answer["task_id"])

    def admin(self, *arguments: str) -> dict[str, Any]:
        """Run ``scripts/admin``, and return its JSON."""
        command: list[str | Path] = [
            parts.ROOT / "scripts" / "admin",
            "--data-dir",
            self.data_dir,
            *arguments,
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"scripts/admin {arguments[0]}: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def sql(self, *statements: str) -> Any:
        """Run statements as the owner of the database; return the first value of the last one."""
        return asyncio.run(_execute(self.stack.database_url or "", statements))

    def redis(self) -> Redis:
        """Return a client of Redis."""
        return Redis.from_url(self.stack.redis_url or "")

    def _run(self, command: list[str | Path], environment: dict[str, str]) -> None:
        done = subprocess.run(
            [*command, "--data-dir", self.data_dir], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"{Path(command[0]).name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


async def _execute(url: str, statements: tuple[str, ...]) -> Any:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def _free_range() -> int:
    while True:
        base = ports.free_port()
        if all(ports.is_free(base + offset) for offset in range(_PORTS)):
            return base
