"""A stack as a new user has it: started by ``scripts/up`` in a copy of the repository, which shares the environment."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from scripts.stack import ports
from tests import log_scan
from tests.conftest import ROOT, wait_until
from tests.docs import pages

_FOLDERS = ("app", "docs", "migrations", "scripts")
_FILES = ("LICENSE", "README.md", "alembic.ini", "openapi.yaml", "pyproject.toml", "requirements*.txt")
_SETTINGS = (
    "DATABASE_",
    "REDIS_",
    "SECRETS_",
    "TASK_",
    "WEBHOOK_",
    "LOG_",
    "DATA_DIR",
    "PYTHON",
    "PIP_",
    "VIRTUAL_ENV",
)
_SECONDS = 200


@dataclass
class Checkout:
    """The copy, and how the shell blocks of a page are run in it."""

    folder: Path
    environment: dict[str, str]
    port: int

    def up(self) -> None:
        """Start what is missing, with the task types of the README and of the guides, from a folder of their own."""
        tasks = self.folder.parent / "readme-tasks"
        tasks.mkdir(exist_ok=True)
        for name, text in _modules().items():
            (tasks / f"{name}.py").write_text(text)
        modules = ",".join(_modules())
        up = f"scripts/up --detach --no-demo --port {self.port}"
        self.shell(f"cd {tasks} && TASK_MODULES={modules} {self.folder}/{up} --data-dir {self.folder}/.data")

    def run(self, page: Path) -> None:
        """Run a page's shell blocks in one shell, and hold what each prints against its ``# →`` lines."""
        wait_until(self._rests, "the end of what other pages have submitted")
        blocks = [fence for fence in pages.fences(page, "sh") if not fence.mark.startswith("not run: ")]
        script = [f"printf '\\n{_border(n)}\\n'\n{self._filled_in(fence)}" for n, fence in enumerate(blocks)]
        printed = self.shell("\n".join(["set -eo pipefail", *script]))
        _, *outputs = re.split(rf"^{_border('[0-9]+')}$", printed, flags=re.MULTILINE)
        for fence, output in zip(blocks, outputs, strict=True):
            hold(fence.text, output)

    def _rests(self) -> bool:
        # A tenant that has a long task running waits for its end with the next one.
        stack = json.loads((self.folder / ".data" / "stack.json").read_text())
        now = datetime.now(UTC).isoformat()
        headers = {"Authorization": f"Bearer {stack['demo']['api_key']}"}
        with httpx.Client(base_url=stack["api_url"], headers=headers) as client:
            tasks = client.get("/api/tasks?limit=100").json()["items"]
            left = [task["task_id"] for task in tasks if task["finished_at"] is None]
            return all(client.get(f"/api/tasks/{task_id}/status").json()["due_at"] > now for task_id in left)

    def shell(self, script: str) -> str:
        """Run a script in the copy; return what it printed. What it leaves in the background is killed."""
        log = self.folder.parent / "shell.log"
        with log.open("w") as output:
            shell = subprocess.Popen(
                ["bash", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
            try:
                code = shell.wait(_SECONDS)
            finally:
                _end(shell)
        assert code == 0, log.read_text()
        return log.read_text()

    def _filled_in(self, fence: pages.Fence) -> str:
        if fence.mark == "printed by scripts/up":
            stack = json.loads((self.folder / ".data" / "stack.json").read_text())
            key, secret = stack["demo"]["api_key"], stack["demo"]["webhook_secret"]
            return f"export API={stack['api_url']} KEY={key} WEBHOOK_SECRET={secret}"
        # Ports that nobody else of this machine has.
        text = fence.text.replace("9000", str(self.port + 1))
        return re.sub(r'(scripts/up"?) ', rf"\1 --port {self.port} ", text)


def _modules() -> dict[str, str]:
    """Return the modules with task types that the pages show, by their names."""
    (readme,) = pages.fences(ROOT / "README.md", "python")
    named = {name: text for page in pages.pages() for name, text in pages.files(page).items() if "@task(" in text}
    return {"reports": readme.text} | {name.removesuffix(".py"): text for name, text in named.items()}


def _border(number: object) -> str:
    return f"@@@ block {number}"


def hold(block: str, output: str) -> None:
    """Find each line that a block promises, in order; ``…`` stands for any text within a line."""
    at = 0
    for promised in re.findall(r"^# → (.*)$", block, re.MULTILINE):
        pattern = re.compile("[^\n]*?".join(map(re.escape, promised.split("…"))))
        found = pattern.search(output, at)
        assert found, f"promised:\n{promised}\nprinted:\n{output[at:]}"
        at = found.end()


def _end(shell: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(shell.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    shell.wait()


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    """Make the copy; stop at the end whatever was started in it."""
    with log_scan.scratch_folder() as scratch:
        folder = scratch / "taskqueue"
        for name in _FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (path for name in _FILES for path in ROOT.glob(name)):
            shutil.copy(path, folder)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        made = Checkout(folder, _environment(scratch), _free_port())
        try:
            yield made
        finally:
            made.shell("scripts/down")


def _environment(scratch: Path) -> dict[str, str]:
    """Return a new user's environment; what the client requires is found beside it, not fetched from an index."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return known | {
        "HOME": str(scratch),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        # tests/browser/test_guide.py builds it, once.
        "GUIDE": "off",
    }


def _free_port() -> int:
    """Return a port that is free, as the next one is."""
    while not ports.is_free((port := ports.free_port()) + 1):
        pass
    return port
