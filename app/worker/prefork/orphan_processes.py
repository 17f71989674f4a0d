"""End processes that a dead child's code has started: the main process has inherited them."""

import asyncio
import os
from typing import Final

from billiard import process

from app.worker import process_tree

# A child that the pool has just forked is known to it within this time.
_SECOND_LOOK: Final = 0.2


class OrphanProcesses:
    """Finds and ends the children that this process has inherited (``process_tree.adopt``), not those of the pool."""

    def __init__(self) -> None:
        """Remember the children that this process has now: they are not orphans."""
        self._own = self._children() - _of_the_pool()

    async def end(self) -> None:
        """Kill the processes that a dead child has left, with all their descendants."""
        found = self._found()
        if not found:
            return
        await asyncio.sleep(_SECOND_LOOK)
        left = found & self._found()
        for orphan in list(left):
            left |= process_tree.freeze(orphan)
        process_tree.kill(left)
        await asyncio.to_thread(process_tree.reap, left)

    def _found(self) -> set[int]:
        return self._children() - _of_the_pool() - self._own

    @staticmethod
    def _children() -> set[int]:
        return {pid for pid in process_tree.all_pids() if process_tree.stat(pid).parent == os.getpid()}


def _of_the_pool() -> set[int | None]:
    # Not by active_children(), which would reap them.
    return {child.pid for child in list(vars(process)["_children"])}
