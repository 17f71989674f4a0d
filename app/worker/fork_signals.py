"""Give the processes that a task's code forks the default action for signals."""

import os
import signal
from typing import Final

# Celery's children catch these. SIGINT stays ignored: Ctrl-C must not end what a task computes during a warm shutdown.
_CAUGHT: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)
_OWNERS: Final = ("app", "celery", "billiard")
"""Packages whose handlers do not belong into a fork."""


def reset_in_forks() -> None:
    """Let every later fork of this process begin with the default actions.

    With an inherited handler, ``multiprocessing.Pool.terminate`` can wait for ever: a signal that arrives just before
    a process waits for a lock only marks that the handler is to run, and the process sleeps on.
    """
    os.register_at_fork(after_in_child=_reset)


def _reset() -> None:
    for number in _CAUGHT:
        # A handler of the task's own code stays, as in a fork of any other program.
        if getattr(signal.getsignal(number), "__module__", "").split(".")[0] in _OWNERS:
            signal.signal(number, signal.SIG_DFL)
