"""The shared_attempts, as its children write it and the main process reads it."""

import os
from dataclasses import replace
from uuid import uuid4

from app.worker.prefork.shared_attempts import MAX_ATTEMPTS, ChildAttempts, SharedAttempt, SharedAttempts, packed


def _attempt(ends_at: float = 12.5) -> SharedAttempt:
    return SharedAttempt(uuid4(), uuid4(), uuid4(), ends_at, os.getpid())


def _pids(shared_attempts: SharedAttempts) -> list[int]:
    return [child.pid for child in shared_attempts.children()]


def _start(shared_attempts: SharedAttempts, row: int) -> SharedAttempt:
    attempt = _attempt()
    shared_attempts.write(row, attempt.ends_at, [packed(attempt)])
    return attempt


def test_a_child_that_runs_nothing_is_a_child_all_the_same():
    shared_attempts = SharedAttempts(2)
    attempt = _start(shared_attempts, shared_attempts.join(1))
    assert (shared_attempts.running(), _pids(shared_attempts)) == ([attempt], [os.getpid()])
    shared_attempts.write(1, 0.0, [])
    assert (shared_attempts.attempts(), _pids(shared_attempts)) == ([], [os.getpid()])


def test_only_the_attempt_that_is_asked_to_end_is_told_so():
    shared_attempts = SharedAttempts(2)
    attempt = _start(shared_attempts, shared_attempts.join(0))
    shared_attempts.ask_to_end(attempt)
    assert shared_attempts.is_asked_to_end(0, attempt.claim_token)
    later = _start(shared_attempts, 0)
    assert not shared_attempts.is_asked_to_end(0, later.claim_token)
    # What was asked of an attempt that is gone is asked of nobody.
    shared_attempts.ask_to_end(attempt)
    assert not shared_attempts.is_asked_to_end(0, later.claim_token)


def test_a_row_that_is_being_written_is_not_read():
    shared_attempts = SharedAttempts(1)
    attempt = _start(shared_attempts, shared_attempts.join(0))
    version = int.from_bytes(shared_attempts._memory[0:8], "little")
    shared_attempts._memory[0:8] = (version | 1).to_bytes(8, "little")
    assert shared_attempts.running() == []
    shared_attempts._memory[0:8] = version.to_bytes(8, "little")
    assert shared_attempts.holds(attempt)


def test_what_one_process_writes_another_reads():
    shared_attempts = SharedAttempts(2)
    ids = uuid4(), uuid4(), uuid4()
    pid = os.fork()
    if pid == 0:
        row = shared_attempts.join(1)
        shared_attempts.write(row, 1.5, [packed(SharedAttempt(*ids, 1.5, os.getpid()))])
        os._exit(0)
    os.waitpid(pid, 0)
    attempt = SharedAttempt(*ids, 1.5, pid)
    assert shared_attempts.running() == [attempt]
    shared_attempts.forget(attempt)
    assert (shared_attempts.running(), _pids(shared_attempts)) == ([], [])


def test_the_successor_of_a_child_that_died_leaves_its_row_to_the_main_process():
    shared_attempts = SharedAttempts(1)
    died = _start(shared_attempts, shared_attempts.join(0))
    row = shared_attempts.join(0)
    successor = _start(shared_attempts, row)
    assert shared_attempts.running() == [died, successor]


def test_of_a_child_that_died_attempts_are_forgotten_one_by_one():
    shared_attempts = SharedAttempts(1)
    row = shared_attempts.join(0)
    running, waiting = _attempt(), _attempt(0.0)
    shared_attempts.write(row, running.ends_at, [packed(running), packed(waiting)])
    shared_attempts.forget(running)
    assert (shared_attempts.attempts(), _pids(shared_attempts)) == ([waiting], [os.getpid()])
    shared_attempts.forget(waiting)
    assert (shared_attempts.attempts(), shared_attempts.children()) == ([], [])


def test_a_child_shows_which_attempts_wait_run_and_are_being_written():
    shared_attempts = SharedAttempts(1)
    child = ChildAttempts(shared_attempts, 0)
    first, second = _attempt(0.0), _attempt(0.0)
    child.take([first, second])
    assert shared_attempts.attempts() == [first, second]
    child.start(second, 7.0)
    assert [(one.task_id, one.is_running) for one in shared_attempts.attempts()] == [
        (second.task_id, True),
        (first.task_id, False),
    ]
    child.stop()
    assert shared_attempts.running() == []
    # Its end is being written; the other's code has not begun.
    assert {one.task_id: one.has_begun for one in shared_attempts.attempts()} == {
        first.task_id: False,
        second.task_id: True,
    }
    child.drop([second])
    assert shared_attempts.attempts() == [first]


def test_a_full_row_has_as_many_attempts_as_a_child_may_have():
    shared_attempts = SharedAttempts(1)
    row = shared_attempts.join(0)
    many = [_attempt(0.0) for _ in range(MAX_ATTEMPTS)]
    shared_attempts.write(row, 0.0, list(map(packed, many)))
    assert shared_attempts.attempts() == many


def test_what_has_begun_is_still_known_when_another_attempt_is_forgotten():
    shared_attempts = SharedAttempts(1)
    child = ChildAttempts(shared_attempts, 0)
    first, second = _attempt(0.0), _attempt(0.0)
    child.take([first, second])
    child.start(first, 7.0)
    child.stop()
    child.start(second, 7.0)
    running = shared_attempts.running()[0]
    shared_attempts.forget(running)
    assert [(one.task_id, one.has_begun) for one in shared_attempts.attempts()] == [(first.task_id, True)]


def test_the_time_of_a_childs_loop_begins_again_when_code_ends():
    shared_attempts = SharedAttempts(1)
    child = ChildAttempts(shared_attempts, 0)
    before = shared_attempts.children()[0].alive_at
    child.take([attempt := _attempt(0.0)])
    child.start(attempt, 7.0)
    assert shared_attempts.children()[0] == replace(shared_attempts.children()[0], alive_at=before, ends_at=7.0)
    child.stop()
    assert shared_attempts.children()[0].alive_at > before
    assert shared_attempts.children()[0].ends_at == 0
