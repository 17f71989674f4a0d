"""What is read of a task while it runs and ends agrees with itself."""

import asyncio
import uuid
from typing import Any, cast

from app.broker.wakeups import Waiters
from app.tasks.read.ended_tasks import EndedTasks
from app.tasks.read.reading import Reading
from app.tasks.run.attempts import Outcome
from app.tasks.schemas import TaskAndAttempts
from tests.claims import claim_for
from tests.races.conftest import Yard, finish

_ROUNDS = 40


def _agrees(task: TaskAndAttempts) -> bool:
    latest = task.attempts[-1].status if task.attempts else None
    if len(task.attempts) != task.attempt:
        return False
    return latest == task.status if task.status in {"STARTED", "SUCCESS"} else latest in {None, "FAILURE"}


async def test_a_task_and_its_attempts_are_of_one_moment(yard: Yard):
    tenant_id = await yard.tenant()
    worker, reader = yard.database("tq_worker", 1), yard.database("tq_api", 4)
    reading = Reading(reader, cast("Waiters", None), EndedTasks(0))
    done, seen = asyncio.Event(), cast("list[TaskAndAttempts]", [])

    async def read(task_id: uuid.UUID) -> None:
        while not done.is_set():
            seen.append((await reading.detail(tenant_id, task_id)).task)

    async def run(outcome: Outcome) -> Any:
        [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        await finish(worker, claim, outcome)

    try:
        for _ in range(_ROUNDS):
            [task_id] = await yard.tasks(tenant_id, 1)
            done.clear()
            readers = [asyncio.create_task(read(task_id)) for _ in range(3)]
            await run(Outcome("RETRY", "FAILURE", error={"type": "E", "message": ""}))
            await run(Outcome("SUCCESS", "SUCCESS"))
            done.set()
            await asyncio.gather(*readers)
    finally:
        await reading.close()
        await worker.close()
        await reader.close()
    assert len(seen) > _ROUNDS
    assert [task for task in seen if not _agrees(task)] == []
