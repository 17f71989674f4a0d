"""Killing a child: the one that runs the attempt, and only while it does."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from uuid import UUID, uuid4

from app.worker import process_tree
from app.worker.prefork import process_kill
from app.worker.prefork.shared_attempts import SharedAttempt, SharedAttempts, packed
from tests.conftest import wait_until


def _work(shared_attempts: SharedAttempts, ids: tuple[UUID, UUID, UUID]) -> None:
    shared_attempts.write(shared_attempts.join(0), 9.0, [packed(SharedAttempt(*ids, 9.0, os.getpid()))])
    time.sleep(60)


def _child(shared_attempts: SharedAttempts) -> tuple[BaseProcess, SharedAttempt]:
    child = multiprocessing.get_context("fork").Process(
        target=_work, args=(shared_attempts, (uuid4(), uuid4(), uuid4()))
    )
    child.start()
    wait_until(lambda: shared_attempts.running() != [], "the child")
    return child, shared_attempts.running()[0]


async def test_the_child_that_runs_the_attempt_is_killed():
    shared_attempts = SharedAttempts(1)
    child, running = _child(shared_attempts)
    assert await process_kill.kill(shared_attempts, running)
    child.join(5)
    assert child.exitcode == -signal.SIGKILL
    assert shared_attempts.running() == []


async def test_a_child_that_has_gone_on_to_another_attempt_lives():
    shared_attempts = SharedAttempts(1)
    child, running = _child(shared_attempts)
    try:
        assert not await process_kill.kill(shared_attempts, replace(running, claim_token=uuid4()))
        assert shared_attempts.running() == [running]
        wait_until(lambda: process_tree.stat(running.pid).state == "S", "the child to go on")
    finally:
        child.kill()
        child.join(5)


async def test_an_attempt_whose_child_is_gone_is_lost():
    shared_attempts = SharedAttempts(1)
    child, running = _child(shared_attempts)
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: process_kill.is_gone(running.pid), "the end, not yet reaped")
    child.join(5)
    assert await process_kill.kill(shared_attempts, running)
    assert not await process_kill.kill(shared_attempts, running)


async def test_a_process_that_is_no_child_of_ours_is_never_killed():
    shared_attempts = SharedAttempts(1)
    stranger = SharedAttempt(uuid4(), uuid4(), uuid4(), 9.0, os.getpid())
    shared_attempts.write(shared_attempts.join(0), 9.0, [packed(stranger)])
    # This test's own process is nobody's child here.
    assert await process_kill.kill(shared_attempts, stranger)
    assert shared_attempts.running() == []
