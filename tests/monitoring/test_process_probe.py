"""The probe of one process: by its exit code, and in one line."""

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Stack, wait_until


def _probe(stack: Stack, *arguments: str, **extra: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app.monitoring", "probe", *arguments],
        cwd=ROOT, env=stack.environment | {"PYTHONPATH": str(ROOT)} | extra, check=False, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("kind", ["worker", "dispatcher"])
def test_a_process_that_turns_is_well_and_one_of_another_pid_is_not(stack: Stack, kind: str):
    wait_until(lambda: _probe(stack, kind)[0] == 0, f"the {kind}")
    pid = str(stack.processes[kind].pid)
    assert _probe(stack, kind, "--pid", pid)[0] == 0
    code, line = _probe(stack, kind, "--pid", "1")
    assert (code, "no heartbeat found" in line) == (1, True)


def test_a_webhooks_process_is_well_until_it_ends(stack: Stack):
    stack.start("webhooks", "app.webhooks")
    pid = str(stack.processes["webhooks"].pid)
    try:
        wait_until(lambda: _probe(stack, "webhooks", "--pid", pid)[0] == 0, "webhooks")
    finally:
        stack.stop("webhooks")
    assert _probe(stack, "webhooks", "--pid", pid)[0] == 1


def test_a_process_that_stands_still_is_not_well(stack: Stack):
    pid = stack.processes["dispatcher"].pid
    wait_until(lambda: _probe(stack, "dispatcher", "--pid", str(pid))[0] == 0, "the dispatcher")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: _probe(stack, "dispatcher", "--pid", str(pid))[0] == 1, "the probe to see it")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: _probe(stack, "dispatcher", "--pid", str(pid))[0] == 0, "the dispatcher again")


def test_without_postgres_it_says_so(stack: Stack):
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    code, line = _probe(stack, "worker", **away)
    assert (code, "Postgres is away" in line) == (1, True)
