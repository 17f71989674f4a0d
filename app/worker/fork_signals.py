"""Reset signals to their default action in processes that a task's code forks."""

import os
import signal
from typing import Final

# Celery's children catch these. SIGINT stays ignored: Ctrl-C must not end what a task computes during a warm shutdown.
_CAUGHT: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)
_OWNERS: Final = (__name__.partition(".")[0], "celery", "billiard")
"""Packages whose signal handlers are removed in a fork."""


def reset_in_forks() -> None:
    """Make every later fork of this process start with the default actions.

    With an inherited Python handler, ``multiprocessing.Pool.terminate`` can wait for ever. The signal may arrive just
    before the forked process waits for a lock. Then Python only notes that the handler should run, and goes on waiting.
    """
    os.register_at_fork(after_in_child=_reset)


def _reset() -> None:
    for number in _CAUGHT:
        # A handler of the task's own code stays, as in a fork of any other program.
        if getattr(signal.getsignal(number), "__module__", "").split(".")[0] in _OWNERS:
            signal.signal(number, signal.SIG_DFL)
