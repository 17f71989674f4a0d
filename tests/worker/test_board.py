"""The board, as its children write it and the main process reads it."""

import os
from uuid import uuid4

from app.worker.board import Board, Running


def _start(board: Board, row: int) -> Running:
    running = Running(uuid4(), uuid4(), uuid4(), 12.5, os.getpid())
    board.start(row, running)
    return running


def test_a_child_that_runs_nothing_is_a_child_all_the_same():
    board = Board(2)
    running = _start(board, board.join(1))
    assert (board.running(), board.children()) == ([running], [os.getpid()])
    board.clear(1)
    assert (board.running(), board.children()) == ([], [os.getpid()])


def test_only_the_attempt_that_is_asked_to_end_is_told_so():
    board = Board(2)
    running = _start(board, board.join(0))
    board.ask_to_end(running)
    assert board.is_asked_to_end(0, running.claim_token)
    board.clear(0)
    later = _start(board, 0)
    assert not board.is_asked_to_end(0, later.claim_token)
    # What was asked of an attempt that is gone is asked of nobody.
    board.ask_to_end(running)
    assert not board.is_asked_to_end(0, later.claim_token)


def test_a_row_that_is_being_written_is_not_read():
    board = Board(1)
    running = _start(board, board.join(0))
    version = int.from_bytes(board._memory[0:8], "little")
    board._memory[0:8] = (version | 1).to_bytes(8, "little")
    assert board.running() == []
    board._memory[0:8] = version.to_bytes(8, "little")
    assert board.holds(running)


def test_what_one_process_writes_another_reads():
    board = Board(2)
    ids = uuid4(), uuid4(), uuid4()
    pid = os.fork()
    if pid == 0:
        board.join(1)
        board.start(1, Running(*ids, 1.5, os.getpid()))
        os._exit(0)
    os.waitpid(pid, 0)
    running = Running(*ids, 1.5, pid)
    assert board.running() == [running]
    board.forget(running)
    assert (board.running(), board.children()) == ([], [])


def test_the_successor_of_a_child_that_died_leaves_its_row_to_the_main_process():
    board = Board(1)
    died = _start(board, board.join(0))
    row = board.join(0)
    successor = Running(uuid4(), uuid4(), uuid4(), 12.5, os.getpid())
    board.start(row, successor)
    assert board.running() == [died, successor]
