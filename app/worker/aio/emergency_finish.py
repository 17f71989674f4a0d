"""Write the ends of the asyncio pool's attempts when its loop is blocked, over the connections of a second loop."""

import asyncio
from collections.abc import Sequence

from app.broker import tickets
from app.db import Database
from app.tasks.run import after_commit, outcomes
from app.tasks.run.claim import retry_state
from app.worker.aio.attempt_runner import AttemptRunner
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from app.worker.runtime import Runtime


async def write(aside: Runtime, runners: Sequence[AttemptRunner], blocking: AttemptRunner | None, *, pool: str) -> None:
    """Write the end of every attempt of a process that is about to end.

    ``blocking`` is the attempt that blocks the loop; None if that is unknown. It fails, and the failure counts. An
    attempt whose code has ended keeps its result. One whose code has begun ends LOST, and one that waited is returned.
    """
    # A second writer: the pool's own runs on the blocked loop. Nothing needs to be dropped, because the process ends.
    writing = FinishWriter(aside, lambda _: None)
    runs = await asyncio.gather(*(_ran(aside.database, runner, blocking) for runner in runners))
    ended = await asyncio.gather(
        *(writing.write(runner.claim, ran) for runner, ran in zip(runners, runs, strict=True)),
        # One end that cannot be written must not prevent the others.
        return_exceptions=True,
    )
    results = [None if isinstance(one, BaseException) else one for one in ended]
    offers = after_commit.offers_for(
        (runner.tenant_id, pool, result) for runner, result in zip(runners, results, strict=True)
    )
    await tickets.offer_quietly(aside.redis, offers)


async def _ran(database: Database, runner: AttemptRunner, blocking: AttemptRunner | None) -> RunResult:
    if runner.ran is not None:
        return runner.ran
    if runner is blocking:
        return runner.blocked()
    if not runner.has_begun:
        return runner.ended(outcomes.returned(0))
    # If the blocking attempt is known, this one is innocent: its loss does not count towards WorkerLost.
    if blocking is not None:
        return runner.ended(outcomes.taken_away())
    tried = await retry_state(database, runner)
    return runner.ended(outcomes.lost(tried.times_lost if tried else 0))
