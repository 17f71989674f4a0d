"""Killing a child: the one that runs the attempt, and only while it does."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from uuid import UUID, uuid4

from app.worker import descendants, termination
from app.worker.board import Attempt, Board, packed
from tests.conftest import wait_until


def _work(board: Board, ids: tuple[UUID, UUID, UUID]) -> None:
    board.write(board.join(0), 9.0, [packed(Attempt(*ids, 9.0, os.getpid()))])
    time.sleep(60)


def _child(board: Board) -> tuple[BaseProcess, Attempt]:
    child = multiprocessing.get_context("fork").Process(target=_work, args=(board, (uuid4(), uuid4(), uuid4())))
    child.start()
    wait_until(lambda: board.running() != [], "the child")
    return child, board.running()[0]


async def test_the_child_that_runs_the_attempt_is_killed():
    board = Board(1)
    child, running = _child(board)
    assert await termination.kill(board, running)
    child.join(5)
    assert child.exitcode == -signal.SIGKILL
    assert board.running() == []


async def test_a_child_that_has_gone_on_to_another_attempt_lives():
    board = Board(1)
    child, running = _child(board)
    try:
        assert not await termination.kill(board, replace(running, claim_token=uuid4()))
        assert board.running() == [running]
        wait_until(lambda: descendants.stat(running.pid).state == "S", "the child to go on")
    finally:
        child.kill()
        child.join(5)


async def test_an_attempt_whose_child_is_gone_is_lost():
    board = Board(1)
    child, running = _child(board)
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: termination.is_gone(running.pid), "the end, not yet reaped")
    child.join(5)
    assert await termination.kill(board, running)
    assert not await termination.kill(board, running)


async def test_a_process_that_is_no_child_of_ours_is_never_killed():
    board = Board(1)
    stranger = Attempt(uuid4(), uuid4(), uuid4(), 9.0, os.getpid())
    board.write(board.join(0), 9.0, [packed(stranger)])
    # This test's own process is nobody's child here.
    assert await termination.kill(board, stranger)
    assert board.running() == []
