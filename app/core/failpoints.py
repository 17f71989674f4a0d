"""Failpoints: named places at which a test ends the process as a crash would. Without ``FAILPOINT`` they do nothing."""

import os
from typing import Final

_ACTIVE: Final = os.environ.get("FAILPOINT")


def hit(name: str) -> None:
    """End the process at once, without clean-up, if the environment variable ``FAILPOINT`` is this name."""
    if name == _ACTIVE:
        # SIGKILL's exit code: no handler, no buffer and no connection gets a chance to tidy up, as in a real crash.
        os._exit(137)
