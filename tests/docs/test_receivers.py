"""The receivers of the docs take a signed event with the official packages, and refuse an altered one."""

import base64
import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.outbound import signing
from scripts.stack import ports
from tests.conftest import ROOT, wait_until
from tests.webhooks import node

EXAMPLES = ROOT / "docs" / "examples"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"type":"task.succeeded","timestamp":"2027-01-31T09:00:00Z","data":{"task_id":"ü😀","result":null}}'.encode()

Run = Callable[[str], tuple[str, Path]]


def _command(name: str, port: int, folder: Path) -> list[str]:
    match name:
        case "receiver_fastapi.py":
            return [sys.executable, "-m", "uvicorn", "receiver_fastapi:app", "--port", str(port)]
        case "receiver_flask.py":
            if importlib.util.find_spec("flask") is None:
                pytest.skip("Flask is not installed: it is one of the pinned development requirements")
            return [sys.executable, "-m", "flask", "--app", "receiver_flask", "run", "--port", str(port)]
        case _:
            node.require_node()
            # Packages are looked for next to the program.
            (folder / "node_modules").symlink_to(node.FOLDER / "node_modules")
            return ["node", name]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Return a starter of receivers: its URL and what it prints."""
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str) -> tuple[str, Path]:
        shutil.copy(EXAMPLES / name, tmp_path)
        port, output = ports.free_port(), tmp_path / "output"
        environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        with output.open("wb") as file:
            started.append(
                subprocess.Popen(
                    _command(name, port, tmp_path), cwd=tmp_path, env=environment, stdout=file, stderr=file
                )
            )
        wait_until(lambda: _answers(port), "a receiver")
        return f"http://127.0.0.1:{port}/hook", output

    yield run
    for process in started:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx.TransportError:
        return False
    return True


def _headers(body: bytes) -> dict[str, str]:
    return signing.headers(uuid.uuid4(), datetime.now(UTC), body, [signing.key(SECRET)])


@pytest.mark.parametrize(
    "name", ["receiver_fastapi.py", "receiver_flask.py", "receiver_express.mjs", "receiver_node.mjs"]
)
def test_a_receiver_takes_what_is_signed_and_nothing_else(run: Run, name: str):
    url, output = run(name)
    with httpx.Client(headers={"Content-Type": "application/json"}, trust_env=False) as client:
        assert client.post(url, content=BODY + b" ", headers=_headers(BODY)).status_code == 400
        assert client.post(url, content=BODY).status_code == 400
        assert client.post(url, content=BODY, headers=_headers(BODY) | {"webhook-signature": "v1,%"}).status_code == 400
        assert "task.succeeded" not in output.read_text()
        assert client.post(url, content=BODY, headers=_headers(BODY)).status_code == 204
    wait_until(lambda: "task.succeeded" in output.read_text() and "ü😀" in output.read_text(), "the event")


def test_the_page_on_webhooks_shows_each_receiver_as_it_is():
    page = (ROOT / "docs" / "webhooks.md").read_text()
    for path in sorted(EXAMPLES.glob("receiver_*")):
        shown = path.read_text().partition("\n\n")[2] if path.suffix == ".py" else path.read_text().partition("\n")[2]
        assert shown.strip() in page, path.name


def test_no_file_of_the_packages_names_a_registry():
    for path in node.FOLDER.glob("*.json"):
        assert "registry" not in path.read_text()
        assert "resolved" not in path.read_text()
    assert "integrity" in (node.FOLDER / "package-lock.json").read_text()
