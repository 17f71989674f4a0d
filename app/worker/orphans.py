"""Processes that the code of a dead child has started: they are this process's own by now, and are ended."""

import asyncio
import os
from typing import Final

from billiard import process

from app.worker import descendants

# A child that the pool has just forked is known to it within this time.
_SECOND_LOOK: Final = 0.2


class Orphans:
    """Tells the children of the pool from those that came by inheritance (``descendants.adopt``)."""

    def __init__(self) -> None:
        """What this process has started itself before it watches is no orphan."""
        self._own = self._children() - _of_the_pool()

    async def end(self) -> None:
        """Kill what a dead child has left, with all that this has started."""
        found = self._found()
        if not found:
            return
        await asyncio.sleep(_SECOND_LOOK)
        left = found & self._found()
        for orphan in list(left):
            left |= descendants.freeze(orphan)
        descendants.kill(left)
        await asyncio.to_thread(descendants.reap, left)

    def _found(self) -> set[int]:
        return self._children() - _of_the_pool() - self._own

    @staticmethod
    def _children() -> set[int]:
        return {pid for pid in descendants.all_pids() if descendants.stat(pid).parent == os.getpid()}


def _of_the_pool() -> set[int | None]:
    # To ask for active_children would reap them.
    return {child.pid for child in list(vars(process)["_children"])}
