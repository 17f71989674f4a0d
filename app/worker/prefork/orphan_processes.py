"""End processes that the code of a dead child has started. The main process has inherited them."""

import asyncio
import os
from typing import Final

from billiard import process

from app.worker import process_tree

# Seconds until the pool's list has a child that it has just forked: before that, the child looks like an orphan.
_SECOND_LOOK: Final = 0.2


class OrphanProcesses:
    """Finds and kills children that this process has inherited (``process_tree.adopt``), except those of the pool."""

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
    # Not active_children(): it would reap dead children, which is the pool's business.
    return {child.pid for child in list(vars(process)["_children"])}
