"""Writing how the asyncio pool's attempts ended when its loop stands still: over connections of another loop."""

import asyncio
from collections.abc import Sequence

from app.broker import tickets
from app.broker.ring import ASYNCIO
from app.db import Database
from app.tasks.run import after_commit, outcomes
from app.tasks.run.claim import retry_state
from app.worker.attendant import Attendant
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from app.worker.runtime import Runtime


async def write(aside: Runtime, in_hand: Sequence[Attendant], blocking: Attendant | None) -> None:
    """End every attempt of a process that is about to end. ``blocking`` holds the loop; None: nobody knows who does.

    Of that one it is a failure that counts. Code that has ended keeps its own end, and what had only begun is lost.
    """
    writing = FinishWriter(aside, lambda _: None)
    runs = await asyncio.gather(*(_ran(aside.database, attendant, blocking) for attendant in in_hand))
    ended = await asyncio.gather(
        *(writing.write(attendant.claim, ran) for attendant, ran in zip(in_hand, runs, strict=True)),
        return_exceptions=True,
    )
    results = [None if isinstance(one, BaseException) else one for one in ended]
    offers = after_commit.offers_for(
        (attendant.tenant_id, ASYNCIO, result) for attendant, result in zip(in_hand, results, strict=True)
    )
    await tickets.offer_quietly(aside.redis, offers)


async def _ran(database: Database, attendant: Attendant, blocking: Attendant | None) -> RunResult:
    if attendant.ran is not None:
        return attendant.ran
    if attendant is blocking:
        return attendant.blocked()
    if not attendant.has_begun:
        return attendant.ended(outcomes.returned(0))
    if blocking is not None:
        return attendant.ended(outcomes.taken_away())
    tried = await retry_state(database, attendant)
    return attendant.ended(outcomes.lost(tried.times_lost if tried else 0))
