"""The product with everything on that it promises, which is checked before anything is measured."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scripts.benchmark import accounts, generator, machine, names, promises, servers
from scripts.benchmark.runs import Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack

NOTHING = {names.PREFORK: "echo", names.ASYNCIO: "bench.async_echo"}
"""The task type of a pool that hands its payload back."""
BUSY = {names.PREFORK: "bench.busy", names.ASYNCIO: "bench.async_busy"}
"""The one that takes a slot for some milliseconds."""


@contextlib.contextmanager
def ours(found: Run, pools: Sequence[str]) -> Iterator[tuple[Stack, Target]]:
    """Run the product with a worker for each pool, and a tenant of the enterprise plan; each worker has run tasks."""
    with servers.ours(pools) as stack:
        account = accounts.create(stack, "bench")
        target = Target(
            servers.port_of(stack),
            "/api/tasks/submit",
            "/api/tasks/%s/result?wait=20",
            account.key,
            "/api/tasks/batch",
            task=NOTHING[pools[0]],
        )
        for pool in pools:
            generator.warm(replace(target, task=NOTHING[pool]))
        found.promises = promises.check(stack, account, target.task)
        found.machine |= machine.servers_of(stack)
        yield stack, target
