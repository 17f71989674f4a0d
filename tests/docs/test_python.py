"""The Python on the pages compiles, and what claims to work is run."""

import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from app.outbound import signing
from tests.conftest import ROOT
from tests.docs import pages

SECRET = "whsec_" + "c2VjcmV0" * 4
BODY = json.dumps({"type": "task.succeeded", "timestamp": "2027-01-31T09:00:00Z", "data": {"task_id": "1"}}).encode()
WEBHOOKS = ROOT / "docs" / "webhooks.md"


@pytest.mark.parametrize("page", pages.pages(), ids=pages.name)
def test_every_python_fence_compiles(page: Path):
    for fence in pages.fences(page, "python"):
        compile(fence.text, pages.name(page), "exec", dont_inherit=True)


def test_the_example_of_a_task_type_passes_its_test(tmp_path: Path):
    module, test = pages.fences(ROOT / "docs" / "task-types.md", "python")
    (tmp_path / "reports.py").write_text(module.text)
    (tmp_path / "test_reports.py").write_text(test.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_example_of_a_mailing_queues_an_email_once_for_an_event():
    names: dict[str, Any] = {}
    exec(pages.files(ROOT / "docs" / "guides" / "orders.md")["mailing.py"], names)
    handle, queued = names["handle"], list[str]()
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        event = {"type": "task.succeeded", "data": {"result": {"order": "1001", "receipt": "https://x"}}}

        def fail(text: str) -> None:
            raise OSError(text)

        with pytest.raises(OSError, match="order 1001"):
            handle(database, "msg_1", event, fail)
        assert [handle(database, "msg_1", event, queued.append) for _ in range(2)] == [True, False]
        assert handle(database, "msg_2", {"type": "task.revoked", "data": {"error": {}}}, queued.append)
    assert queued == ["Thank you for order 1001. Your receipt: https://x"]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Put the client's webhook module, which stands alone, in the place of the whole client."""
    spec = importlib.util.spec_from_file_location(
        "task_queue_client", ROOT / "scripts" / "sdk_overlay" / "task_queue_client" / "webhooks.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "task_queue_client", module)
    spec.loader.exec_module(module)
    return module


def _run(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(pages.fences(WEBHOOKS, "python")[number].text, "webhooks.md", "exec", dont_inherit=True), names)
    return names


def _headers(body: bytes = BODY) -> dict[str, str]:
    return signing.headers(uuid4(), datetime.now(UTC), body, [signing.key(SECRET)])


@pytest.mark.usefixtures("client")
def test_the_clients_way_to_verify_works():
    names, headers = _run(0), _headers()
    assert names["endpoint"](BODY, headers, SECRET) == 204
    assert names["endpoint"](BODY, headers, SECRET) == 204
    assert names["endpoint"](BODY + b" ", _headers(), SECRET) == 400
    assert names["handled"] == [("task.succeeded", {"task_id": "1"})]


def test_the_packages_way_to_verify_works():
    verified = _run(1)["verified"]
    assert verified(BODY, _headers(), SECRET)["type"] == "task.succeeded"
    with pytest.raises(Exception, match="signature"):
        verified(BODY + b" ", _headers(), SECRET)


def test_the_way_to_verify_by_hand_works():
    is_signed, headers = _run(2)["is_signed"], _headers()
    given = (headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"])
    assert is_signed(*given, BODY, SECRET)
    assert is_signed(given[0], given[1], "v1,other " + given[2], BODY, SECRET)
    assert not is_signed(*given, BODY + b" ", SECRET)
    old = str(int(given[1]) - 301)
    assert not is_signed(given[0], old, given[2], BODY, SECRET)
    assert not is_signed("", "", "", BODY, SECRET)
