"""Starting the worker's process again, as the same command and under the same number."""

import logging
import os
import signal
import sys
from typing import NoReturn

from app.worker import process_tree

_log = logging.getLogger(__name__)


def restart() -> NoReturn:
    """Replace this process by a new one; from any thread. All others end, and connections and files are closed.

    What must be written is to be written before. A service manager sees one process that goes on.
    """
    _log.warning("the worker starts again", extra={"pid": os.getpid()})
    process_tree.end_own()
    # Both survive: a signal that this thread does not take would never be taken by the new process.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 this very command
