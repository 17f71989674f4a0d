"""Restart the worker's process with the same command and the same process id."""

import logging
import os
import signal
import sys
from typing import NoReturn

from app.worker import process_tree

_log = logging.getLogger(__name__)


def restart() -> NoReturn:
    """Replace this process by a new one. Any thread may call it; other threads end, connections and files are closed.

    Write everything that must be written before. A service manager sees the same process all the time.
    """
    _log.warning("the worker starts again", extra={"pid": os.getpid()})
    process_tree.end_own()
    # exec keeps the signal mask and the timer. The new process would never receive a signal that is blocked here.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 this very command
