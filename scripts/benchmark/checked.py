"""The product with everything on that it promises, which is checked before anything is measured."""

import contextlib
from collections.abc import Iterator, Sequence

from scripts.benchmark import accounts, generator, machine, names, promises, servers
from scripts.benchmark.accounts import Account
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
        for pool in pools:
            generator.warm(target_of(stack, account, pool))
        target = target_of(stack, account, pools[0])
        found.promises = promises.check(stack, account, target.task)
        found.machine |= machine.servers_of(stack)
        yield stack, target


def target_of(stack: Stack, account: Account, pool: str) -> Target:
    """Return what the load generator has to know, for tasks of a pool that do nothing."""
    return Target(
        servers.port_of(stack),
        "/api/tasks/submit",
        "/api/tasks/%s/result?wait=20",
        account.key,
        "/api/tasks/batch",
        task=NOTHING[pool],
    )
