"""Failpoints: named places where a test can crash the process. Without ``FAILPOINT`` they do nothing."""

import os
from typing import Final

_ACTIVE: Final = os.environ.get("FAILPOINT")


def hit(name: str) -> None:
    """End the process at once, without clean-up, if the environment variable ``FAILPOINT`` has this name."""
    if name == _ACTIVE:
        # The exit code of a SIGKILL. No handler runs and no buffer is flushed, as in a real crash.
        os._exit(137)
