"""The process by itself: its start, its heartbeat and its end."""

import subprocess
import sys

import httpx

from scripts.stack import ports
from tests.conftest import ROOT, Stack, wait_until
from tests.operator.conftest import OperatorBrowser


def _probe(stack: Stack, pid: int) -> int:
    line = [sys.executable, "-P", "-m", "app.monitoring", "probe", "operator", "--pid", str(pid)]
    environment = stack.environment | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=ROOT, env=environment, check=False, capture_output=True, timeout=60).returncode


def test_the_probe_finds_it_until_it_ends(stack: Stack):
    port = ports.free_port()
    stack.start("second operator", "app.operator", "--port", str(port), "--root-path", "/ops")
    pid = stack.processes["second operator"].pid
    try:
        wait_until(lambda: _probe(stack, pid) == 0, "its heartbeat")
        # Under a prefix, where other applications share the host, the cookie is for that path.
        answer = httpx.get(f"http://127.0.0.1:{port}/ops/sign-in", trust_env=False)
        assert answer.headers["Set-Cookie"].partition("; ")[2] == "Path=/ops; HttpOnly; SameSite=Lax"
        assert 'href="/ops/assets/' in answer.text
    finally:
        stack.stop("second operator")
    assert _probe(stack, pid) == 1


def test_its_log_names_the_template_of_a_path_and_no_secret(operator: OperatorBrowser, stack: Stack):
    operator.get("/tenants/acme")
    log = stack.folder / "operator.log"
    # A line is written after the answer, together with those of the same turn of the loop.
    wait_until(lambda: '"route":"/tenants/{slug}"' in log.read_text(), "the line of the request")
    assert '"route":"/link/{secret}"' in log.read_text()
    assert operator.client.cookies["operator"] not in log.read_text()
