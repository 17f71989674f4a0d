"""The clients of a running api: built by a command, and installed by the package managers that people have."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Stack

Admin = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def index(stack: Stack, admin: Admin) -> dict[str, Any]:
    """Build the clients of the stack, after a look at what it says without; return its lists of files."""
    for path in ("/clients/python", "/clients/typescript", "/clients/python/a.whl"):
        missing = httpx.get(stack.url + path, trust_env=False)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert "scripts/admin clients build" in missing.json()["detail"]
    built = admin("clients", "build", "--json")
    assert built.returncode == 0, built.stderr
    found = {
        language: httpx.get(f"{stack.url}/clients/{language}", trust_env=False).json()
        for language in ("python", "typescript")
    }
    served = [file["url"].rpartition("/")[2] for listed in found.values() for file in listed["files"]]
    assert sorted(json.loads(built.stdout.splitlines()[-1])["files"]) == sorted(served)
    return found


def test_a_file_is_what_its_index_says_and_is_sent_once(stack: Stack, index: dict[str, Any]):
    for listed in index.values():
        for file in listed["files"]:
            answer = httpx.get(stack.url + file["url"], trust_env=False)
            assert answer.status_code == 200
            assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (file["size"], file["sha256"])
            known = {"If-None-Match": answer.headers["etag"]}
            again = httpx.get(stack.url + file["url"], headers=known, trust_env=False)
            assert (again.status_code, again.content) == (304, b"")
            head = httpx.head(stack.url + file["url"], trust_env=False)
            assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


def test_another_name_is_told_which_ones_there_are(stack: Stack, index: dict[str, Any]):
    file = index["python"]["files"][0]["url"].rpartition("/")[2]
    for path, told in (
        ("/clients/ruby", "python, typescript"),
        ("/clients/python/task_queue_client-0.0.1-py3-none-any.whl", file),
        ("/clients/python/index.json", file),
        ("/clients/python/..%2Findex.json", None),
    ):
        missing = httpx.get(stack.url + path, trust_env=False)
        assert missing.status_code == 404
        assert told is None or told in missing.json()["detail"]
    assert httpx.post(f"{stack.url}/clients/python", trust_env=False).status_code == 405


def test_pip_installs_the_client_with_the_operators_task_types(stack: Stack, index: dict[str, Any], tmp_path: Path):
    wheel = next(file["url"] for file in index["python"]["files"] if file["url"].endswith(".whl"))
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "--quiet"]
    # Its dependency is there already, and no registry is asked.
    line = [*pip, "install", "--no-index", "--no-deps", "--target", str(tmp_path), stack.url + wheel]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    program = "import task_queue_client as t; from task_queue_client import task_types; print(t.VERSION, task_types.SubmitTestAddResult)"
    told = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, check=True, capture_output=True, text=True
    )
    assert told.stdout.split()[0] == index["python"]["version"]


def test_npm_installs_the_client_with_the_operators_task_types(stack: Stack, index: dict[str, Any], tmp_path: Path):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    (file,) = index["typescript"]["files"]
    line = ["npm", "install", "--no-audit", "--no-fund", "--cache", str(tmp_path / "cache"), stack.url + file["url"]]
    done = subprocess.run(line, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    program = "import { VERSION } from 'task-queue-client'; console.log(VERSION)"
    told = subprocess.run(
        ["node", "--input-type=module", "-e", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == index["typescript"]["version"]
    assert '"test.add"' in (tmp_path / "node_modules" / "task-queue-client" / "lib" / "task_types.d.ts").read_text()
