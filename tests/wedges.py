"""Task types that would take their worker with them: they block or stop loops, hold the interpreter, leave processes."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from pydantic import BaseModel

from app.tasks import TaskContext, task
from tests.task_types import Nothing, Sum


def _hold_the_interpreter() -> None:
    # Some hours of counting, without the interpreter's lock being let go, or a signal being looked at.
    sum(itertools.repeat(0, 10**12))


@task("test.wedge.blocks", max_attempts=1, time_limit=1)
async def blocks(payload: Nothing, context: TaskContext) -> None:
    """Block the loop by what was written for threads."""
    time.sleep(50)  # noqa: ASYNC251 that is the mistake


@task("test.wedge.blocks_in_a_task", max_attempts=1, time_limit=1)
async def blocks_in_a_task(payload: Nothing, context: TaskContext) -> None:
    """Block it in a task beside the function."""
    await asyncio.gather(blocks(payload, context), asyncio.sleep(50))


@task("test.wedge.blocks_in_a_callback", max_attempts=1, time_limit=1)
async def blocks_in_a_callback(payload: Nothing, context: TaskContext) -> None:
    """Block it where no task runs."""
    asyncio.get_running_loop().call_soon(time.sleep, 50)
    await asyncio.sleep(50)


@task("test.wedge.waits", max_attempts=1, time_limit=1)
async def waits(payload: Nothing, context: TaskContext) -> None:
    """Wait for longer than it may."""
    await asyncio.sleep(50)


@task("test.wedge.swallows", max_attempts=1, time_limit=0.5)
async def swallows(payload: Nothing, context: TaskContext) -> None:
    """Go on whatever is raised where it waits."""
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(1)


@task("test.wedge.blocks_and_swallows", max_attempts=1, time_limit=0.5)
async def blocks_and_swallows(payload: Nothing, context: TaskContext) -> None:
    """Go on whatever is raised where it blocks."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)  # noqa: ASYNC251 that is the mistake


@task("test.wedge.holds_the_interpreter", max_attempts=1, time_limit=0.5)
async def holds_the_interpreter(payload: Nothing, context: TaskContext) -> None:
    """Run code in C that no other thread can run beside."""
    _hold_the_interpreter()


@task("test.wedge.takes_the_alarm", max_attempts=1, time_limit=0.5)
def takes_the_alarm(payload: Nothing, context: TaskContext) -> None:
    """Take away what ends code in time."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(50)


@task("test.wedge.stops", max_attempts=1)
async def stops(payload: Nothing, context: TaskContext) -> str:
    """Stop the loop."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    return "went on"


@task("test.wedge.cancels_all", max_attempts=1)
async def cancels_all(payload: Nothing, context: TaskContext) -> str:
    """Cancel whatever there is on the loop, as a clean-up that is too thorough."""
    for one in asyncio.all_tasks():
        one.cancel()
    await asyncio.sleep(0.05)
    return "went on"


@task("test.wedge.leaves_tasks", max_attempts=1)
async def leaves_tasks(payload: Nothing, context: TaskContext) -> str:
    """Leave behind what does not hear of a cancel."""
    context.log.debug("kept: %s", asyncio.create_task(swallows(payload, context)))
    await asyncio.sleep(0)
    return "left"


@task("test.wedge.closes_files")
def closes_files(payload: Nothing, context: TaskContext) -> str:
    """Close the process's connections, as who makes himself a daemon does, and succeed."""
    os.closerange(3, 1024)
    return "closed"


@task("test.wedge.exits_after")
def exits_after(payload: Nothing, context: TaskContext) -> int:
    """End the process in the first attempt, a moment after its result was taken."""
    if context.attempt == 1:
        threading.Thread(target=_exit_after, args=[threading.main_thread().ident]).start()
    return context.attempt


def _exit_after(main_thread: int) -> None:
    # Before the child has recorded that the code ended, an exit is a crash of the code.
    while any(
        (frame.f_code.co_name, Path(frame.f_code.co_filename).name) == ("_run", "child.py")
        for frame, _ in traceback.walk_stack(sys._current_frames()[main_thread])
    ):
        time.sleep(0)
    time.sleep(0.001)
    os._exit(0)


class File(BaseModel):
    """Where to write, or what to wait for."""

    path: str


@task("test.wedge.waits_for_a_file", max_attempts=1)
def waits_for_a_file(payload: File, context: TaskContext) -> int:
    """Say which process it is, return when a file is there."""
    context.progress(os.getpid(), 0)
    while not Path(payload.path).exists():
        time.sleep(0.01)
    return context.attempt


@task("test.wedge.forks", max_attempts=1)
def forks(payload: Sum, context: TaskContext) -> int:
    """Fork a child that returns (``a`` 0), raises (1) or exits with 7 (2) where the parent goes on; return its status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if payload.a == 1:
        raise ValueError("of the child")
    if payload.a == 2:
        raise SystemExit(7)
    return 0


@task("test.wedge.forks_a_coroutine", max_attempts=1)
async def forks_a_coroutine(payload: Sum, context: TaskContext) -> int:
    """Do the same in a coroutine."""
    return forks(payload, context)


def _square(number: int) -> int:
    return number * number


@task("test.wedge.multiprocessing", max_attempts=1)
def uses_multiprocessing(payload: Sum, context: TaskContext) -> list[list[int]]:
    """Compute in processes, in the three usual ways."""
    numbers = range(payload.a)
    with multiprocessing.Pool(2) as pool:
        pooled = pool.map(_square, numbers)
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        executed = [*executor.map(_square, numbers)]
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=sending.send, args=([_square(number) for number in numbers],))
    process.start()
    received = receiving.recv()
    process.join()
    return [pooled, executed, received]


class ForkSignals(BaseModel):
    """Whether the code has a handler of its own for SIGHUP."""

    keeps_its_own: bool = False


def _send_signal_actions(sending: multiprocessing.connection.Connection) -> None:
    caught = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)
    sending.send([signal.getsignal(number) == signal.SIG_DFL for number in caught])


@task("test.wedge.fork_signals", max_attempts=1)
def tells_the_signals_of_a_fork(payload: ForkSignals, context: TaskContext) -> list[bool]:
    """Tell of each signal whether a forked process has its default action."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_send_signal_actions, args=(sending,))
    before = signal.signal(signal.SIGHUP, _own_handler) if payload.keeps_its_own else None
    process.start()
    if before is not None:
        signal.signal(signal.SIGHUP, before)
    process.join()
    told: list[bool] = receiving.recv()
    return told


def _own_handler(*_: object) -> None:
    """Handle a signal as a task's code may."""


def _start_processes(seconds: int) -> list[int]:
    """Start a process, and one that leaves its parent and its session, as daemons do."""
    started = subprocess.Popen(["sleep", str(seconds)])
    made = subprocess.run(
        ["sh", "-c", f"setsid sleep {seconds} >/dev/null 2>&1 & echo $!"], capture_output=True, check=True, text=True
    )
    return [started.pid, int(made.stdout)]


@task("test.wedge.leaves_processes", max_attempts=1)
def leaves_processes(payload: Sum, context: TaskContext) -> list[int]:
    """Return, and leave processes running."""
    return _start_processes(payload.a)


@task("test.wedge.waits_for_processes", time_limit=60, max_attempts=1)
def waits_for_processes(payload: Sum, context: TaskContext) -> None:
    """Wait for ``a`` seconds, die (``b`` 1) or go on beyond the limit (2) while processes run that are told as progress."""
    context.progress(*_start_processes(payload.a))
    # Progress is written beside the code.
    time.sleep(0.5)
    if payload.b == 1:
        os._exit(1)
    while payload.b == 2:
        with contextlib.suppress(BaseException):
            time.sleep(1)
    time.sleep(payload.a)


@task("test.wedge.io.blocks", pool="asyncio", max_attempts=1)
async def blocks_the_shared_loop(payload: Nothing, context: TaskContext) -> None:
    """Block every neighbour, in a task beside the function."""
    await asyncio.gather(asyncio.sleep(60), _block())


@task("test.wedge.io.logs_and_blocks", pool="asyncio", max_attempts=1)
async def logs_and_blocks(payload: Nothing, context: TaskContext) -> None:
    """Log a line that is written, and one whose writing the loop does not begin any more."""
    context.log.info("early")
    await asyncio.sleep(3)
    context.log.info("late")
    time.sleep(60)  # noqa: ASYNC251 that is the mistake


@task("test.wedge.io.blocks_beyond_its_limit", pool="asyncio", max_attempts=1, time_limit=1)
async def blocks_beyond_its_limit(payload: Nothing, context: TaskContext) -> None:
    """Block every neighbour, in the function itself."""
    time.sleep(60)  # noqa: ASYNC251 that is the mistake


async def _block() -> None:
    await asyncio.sleep(0.1)
    time.sleep(60)  # noqa: ASYNC251 that is the mistake


@task("test.wedge.io.stops", pool="asyncio", max_attempts=1)
async def stops_the_shared_loop(payload: Nothing, context: TaskContext) -> str:
    """Stop the loop of all."""
    return await stops(payload, context)


@task("test.wedge.io.cancels_all", pool="asyncio", max_attempts=1)
async def cancels_all_neighbours(payload: Nothing, context: TaskContext) -> str:
    """Cancel whatever is to be found."""
    return await cancels_all(payload, context)


@task("test.wedge.io.exits_in_a_task", pool="asyncio", max_attempts=1)
async def exits_in_a_task(payload: Nothing, context: TaskContext) -> str:
    """Raise what ends a loop, in a task and in a callback beside the function."""

    async def leave() -> None:
        raise SystemExit(3)

    def leave_at_once() -> None:
        raise KeyboardInterrupt

    left = asyncio.create_task(leave())
    asyncio.get_running_loop().call_soon(leave_at_once)
    await asyncio.wait([left])
    with contextlib.suppress(SystemExit):
        left.result()
    return "went on"


@task("test.wedge.io.swallows", pool="asyncio", max_attempts=1, time_limit=0.2)
async def swallows_on_the_shared_loop(payload: Nothing, context: TaskContext) -> None:
    """Hear of no limit and no cancel, for ever."""
    await swallows(payload, context)


@task("test.wedge.io.ends_at_last", pool="asyncio", max_attempts=1, time_limit=0.2)
async def ends_at_last(payload: File, context: TaskContext) -> None:
    """Swallow the limit and one cancel, and end with the next."""
    for _ in range(2):
        with contextlib.suppress(BaseException):
            await asyncio.sleep(60)
    try:
        await asyncio.sleep(60)
    finally:
        Path(payload.path).touch()  # noqa: ASYNC240 one empty file
