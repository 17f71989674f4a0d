"""The board, as its children write it and the main process reads it."""

import os
from dataclasses import replace
from uuid import uuid4

from app.worker.board import MOST, Attempt, Board, Hand, packed


def _attempt(ends_at: float = 12.5) -> Attempt:
    return Attempt(uuid4(), uuid4(), uuid4(), ends_at, os.getpid())


def _pids(board: Board) -> list[int]:
    return [child.pid for child in board.children()]


def _start(board: Board, row: int) -> Attempt:
    attempt = _attempt()
    board.write(row, attempt.ends_at, [packed(attempt)])
    return attempt


def test_a_child_that_runs_nothing_is_a_child_all_the_same():
    board = Board(2)
    attempt = _start(board, board.join(1))
    assert (board.running(), _pids(board)) == ([attempt], [os.getpid()])
    board.write(1, 0.0, [])
    assert (board.attempts(), _pids(board)) == ([], [os.getpid()])


def test_only_the_attempt_that_is_asked_to_end_is_told_so():
    board = Board(2)
    attempt = _start(board, board.join(0))
    board.ask_to_end(attempt)
    assert board.is_asked_to_end(0, attempt.claim_token)
    later = _start(board, 0)
    assert not board.is_asked_to_end(0, later.claim_token)
    # What was asked of an attempt that is gone is asked of nobody.
    board.ask_to_end(attempt)
    assert not board.is_asked_to_end(0, later.claim_token)


def test_a_row_that_is_being_written_is_not_read():
    board = Board(1)
    attempt = _start(board, board.join(0))
    version = int.from_bytes(board._memory[0:8], "little")
    board._memory[0:8] = (version | 1).to_bytes(8, "little")
    assert board.running() == []
    board._memory[0:8] = version.to_bytes(8, "little")
    assert board.holds(attempt)


def test_what_one_process_writes_another_reads():
    board = Board(2)
    ids = uuid4(), uuid4(), uuid4()
    pid = os.fork()
    if pid == 0:
        row = board.join(1)
        board.write(row, 1.5, [packed(Attempt(*ids, 1.5, os.getpid()))])
        os._exit(0)
    os.waitpid(pid, 0)
    attempt = Attempt(*ids, 1.5, pid)
    assert board.running() == [attempt]
    board.forget(attempt)
    assert (board.running(), _pids(board)) == ([], [])


def test_the_successor_of_a_child_that_died_leaves_its_row_to_the_main_process():
    board = Board(1)
    died = _start(board, board.join(0))
    row = board.join(0)
    successor = _start(board, row)
    assert board.running() == [died, successor]


def test_of_a_child_that_died_attempts_are_forgotten_one_by_one():
    board = Board(1)
    row = board.join(0)
    running, waiting = _attempt(), _attempt(0.0)
    board.write(row, running.ends_at, [packed(running), packed(waiting)])
    board.forget(running)
    assert (board.attempts(), _pids(board)) == ([waiting], [os.getpid()])
    board.forget(waiting)
    assert (board.attempts(), board.children()) == ([], [])


def test_a_hand_shows_what_waits_what_runs_and_what_is_being_written():
    board = Board(1)
    hand = Hand(board, 0)
    first, second = _attempt(0.0), _attempt(0.0)
    hand.take([first, second])
    assert board.attempts() == [first, second]
    hand.start(second, 7.0)
    assert [(one.task_id, one.is_running) for one in board.attempts()] == [
        (second.task_id, True),
        (first.task_id, False),
    ]
    hand.stop()
    assert board.running() == []
    # Its end is being written; the other's code has not begun.
    assert {one.task_id: one.has_begun for one in board.attempts()} == {first.task_id: False, second.task_id: True}
    hand.drop([second])
    assert board.attempts() == [first]


def test_a_full_row_holds_as_many_attempts_as_a_hand_may_have():
    board = Board(1)
    row = board.join(0)
    many = [_attempt(0.0) for _ in range(MOST)]
    board.write(row, 0.0, list(map(packed, many)))
    assert board.attempts() == many


def test_what_has_begun_is_still_known_when_another_attempt_is_forgotten():
    board = Board(1)
    hand = Hand(board, 0)
    first, second = _attempt(0.0), _attempt(0.0)
    hand.take([first, second])
    hand.start(first, 7.0)
    hand.stop()
    hand.start(second, 7.0)
    running = board.running()[0]
    board.forget(running)
    assert [(one.task_id, one.has_begun) for one in board.attempts()] == [(first.task_id, True)]


def test_the_time_of_a_childs_loop_begins_again_when_code_ends():
    board = Board(1)
    hand = Hand(board, 0)
    before = board.children()[0].turned_at
    hand.take([attempt := _attempt(0.0)])
    hand.start(attempt, 7.0)
    assert board.children()[0] == replace(board.children()[0], turned_at=before, ends_at=7.0)
    hand.stop()
    assert board.children()[0].turned_at > before
    assert board.children()[0].ends_at == 0
