"""Whose code runs on the asyncio pool's loop: nobody reaches the tasks of others there, and who blocks it is known."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary

# Of the code that runs: it is handed on to every task that this starts, as context variables are.
owner: Final[ContextVar[object | None]] = ContextVar("owner", default=None)
_owners: "WeakKeyDictionary[asyncio.Task[Any], object]" = WeakKeyDictionary()


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> "asyncio.Task[Any]":
    """Make a task, as a loop's task factory, of which ``asyncio.all_tasks`` does not know.

    What code finds there, it may cancel: our own tasks, and those of other tenants. A task of its own it has in hand.
    """
    task = asyncio.Task(coroutine, loop=loop, **options)
    # Documented for whoever implements tasks (asyncio-extending); done a second time when the task ends, harmlessly.
    asyncio._unregister_task(task)  # noqa: SLF001
    if (whose := owner.get()) is not None:
        _owners[task] = whose
    return task


def own(whose: object) -> None:
    """Say that the task which runs now is of somebody's."""
    if (task := asyncio.current_task()) is not None:
        _owners[task] = whose


def get_owner(task: "asyncio.Task[Any]") -> object | None:
    """Return whose code has started a task; None for one of ours."""
    return _owners.get(task)
