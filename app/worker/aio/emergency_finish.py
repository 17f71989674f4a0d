"""Writing how the asyncio pool's attempts ended when its loop stands still: over connections of another loop."""

import asyncio
from collections.abc import Sequence

from app.broker import tickets
from app.broker.ring import ASYNCIO
from app.db import Database
from app.tasks import attempts, lifecycle
from app.worker import endings, outcomes
from app.worker.aio.attempt_runner import AttemptRunner
from app.worker.endings import Endings
from app.worker.executor import RunResult
from app.worker.runtime import Runtime


async def write(aside: Runtime, in_hand: Sequence[AttemptRunner], blocking: AttemptRunner | None) -> None:
    """End every attempt of a process that is about to end. ``blocking`` holds the loop; None: nobody knows who does.

    Of that one it is a failure that counts. Code that has ended keeps its own end, and what had only begun is lost.
    """
    writing = Endings(aside, lambda _: None)
    runs = await asyncio.gather(*(_ran(aside.database, runner, blocking) for runner in in_hand))
    ended = await asyncio.gather(
        *(writing.write(runner.claim, ran) for runner, ran in zip(in_hand, runs, strict=True)),
        return_exceptions=True,
    )
    waiting = {
        runner.tenant_id
        for runner, one in zip(in_hand, ended, strict=True)
        if one is not None and not isinstance(one, BaseException) and endings.needs_ticket(one)
    }
    await tickets.offer_quietly(aside.redis, [tickets.Offer(tenant_id, ASYNCIO) for tenant_id in waiting])


async def _ran(database: Database, runner: AttemptRunner, blocking: AttemptRunner | None) -> RunResult:
    if runner.ran is not None:
        return runner.ran
    if runner is blocking:
        return runner.blocked()
    if not runner.has_begun:
        return runner.ended(outcomes.returned(0))
    if blocking is not None:
        return runner.ended(attempts.taken_away())
    tried = await lifecycle.find(database, runner)
    return runner.ended(attempts.lost(tried.times_lost if tried else 0))
