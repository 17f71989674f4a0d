"""A process that runs the operations of a database until none is left: ``python -m tests.races.operation_process <fence>``.

It does what a leading dispatcher does, with the product's own code, without sweeps.
"""

import asyncio
import sys
from uuid import UUID

from app.core import redis as redis_connections
from app.core.config import get_settings
from app.db import connect, role_url
from app.dispatch.operation_runners import OperationRunners
from app.operations import store


async def _main(fence: UUID) -> None:
    redis = redis_connections.connect(get_settings().redis_url)
    runners = OperationRunners(redis)
    finder = await connect(role_url("tq_dispatch"))
    runner = runners.of(fence)
    while running := await store.running_any_tenant(finder):
        runner.see(running)
        await runner.round()
    await finder.close()
    await runners.close()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(_main(UUID(sys.argv[1])))
