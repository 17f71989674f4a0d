"""Record which attempt owns each asyncio task of the pool's loop, and hide them from the code of other attempts."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

# The attempt that owns the running code. A context variable, so every asyncio task that the code starts inherits it.
owner: Final[ContextVar[object | None]] = ContextVar("owner", default=None)
# Weak at both ends: an attempt refers to the task of its code, so a value that keeps it alive would keep its key alive.
_owners: "WeakKeyDictionary[asyncio.Task[Any], ref[object]]" = WeakKeyDictionary()


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> "asyncio.Task[Any]":
    """Create an asyncio task that ``asyncio.all_tasks`` does not list. This is the loop's task factory.

    Otherwise a tenant's code could find and cancel our tasks and those of other tenants there. Code still has the
    references to the tasks that it started itself.
    """
    task = asyncio.Task(coroutine, loop=loop, **options)
    # Documented for implementations of tasks (asyncio-extending). asyncio calls it again when the task ends, which does
    # no harm.
    asyncio._unregister_task(task)  # noqa: SLF001
    if (whose := owner.get()) is not None:
        _owners[task] = ref(whose)
    return task


def get_owner(task: "asyncio.Task[Any]") -> object | None:
    """Return the owner of an asyncio task; None for the worker's own tasks."""
    found = _owners.get(task)
    return found and found()
