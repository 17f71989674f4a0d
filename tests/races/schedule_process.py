"""A process that fires the due schedules of a database once: ``python -m tests.races.schedule_process <fence>``.

It does what a leading dispatcher does, with the product's own code, without the other sweeps.
"""

import asyncio
import math
import sys
from uuid import UUID

from app.core import redis as redis_connections
from app.core.config import get_settings
from app.db import connect, role_url
from app.dispatch.leadership import Lead
from app.dispatch.schedule_sweep import ScheduleConnections


async def _main(fence: UUID) -> None:
    redis = redis_connections.connect(get_settings().redis_url)
    connections = ScheduleConnections(redis)
    finder = await connect(role_url("tq_dispatch"))
    sweep = connections.of(Lead(finder, fence, math.inf))
    await sweep.look()
    await sweep.wait()
    await finder.close()
    await connections.close()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(_main(UUID(sys.argv[1])))
