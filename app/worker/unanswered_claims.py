"""Give back what a claim took whose answer was lost: the connection broke, or Postgres stood still for too long.

Postgres completes a statement that it has received, also long after the worker has given up. The attempts that begin
then are run by nobody, and each takes a slot of its tenant until the dispatcher finds it. That takes 6 s, and 15 s
after an outage.
"""

import logging
from typing import Final

from redis.asyncio import Redis

from app.core import retry
from app.core.errors import Unavailable
from app.db import Database
from app.tasks.run import after_commit, end, outcomes
from app.tasks.run.attempts import AttemptEnd
from app.tasks.run.claim import UnansweredClaim, taken_by
from app.tasks.run.timing import WORKER_DEAD_AFTER

_log = logging.getLogger(__name__)

# Seconds between two looks.
_INTERVAL: Final = 0.5


async def give_back(database: Database, redis: Redis, claim: UnansweredClaim, *, pool: str) -> None:
    """Wait until Postgres answers, and give back the attempts that the claim has begun, uncounted.

    ``database`` logs in as tq_worker. Looks for 15 s after the first answer; then the dispatcher ends what comes later.
    """
    # Postgres may answer on another connection before it completes the claim, so one look is not enough.
    taken = await retry.until_found(
        lambda: taken_by(database, claim), Unavailable, interval=_INTERVAL, seconds=WORKER_DEAD_AFTER
    )
    if taken is None:
        return
    _log.warning("attempts of an unanswered claim are given back", extra={"count": len(taken)})
    ends = [AttemptEnd(attempt, outcomes.returned(0)) for attempt in taken]
    results = await end.end(database, ends)
    await after_commit.after_commit(redis, ends, results, pool=pool)
