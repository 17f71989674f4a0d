"""One of several processes that meet: ``python -m tests.races.racer <duty as JSON>``, begun by a line on stdin.

It does what an api or a worker does, with the product's own code, and prints how often each thing happened.
"""

import asyncio
import json
import random
import sys
import uuid
from collections import Counter
from typing import Any
from uuid import UUID

from starlette.requests import Request

from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.errors import Problem
from app.db import Database
from app.http.strict_json import Incoming
from app.identity.principal import Principal
from app.quotas import admission
from app.quotas import limits as policies
from app.quotas.rate import Rates
from app.tasks import responses, submit_calls
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import cancel
from app.tasks.run.end import end as end_attempts
from app.tasks.schemas import BATCH_BOUNDS, BatchRequest, SubmitRequest
from app.tasks.submit.accept import Acceptor
from app.tenants import plans
from tests.claims import claim_for

_LANES = 8
_ENDS = (
    Outcome("SUCCESS", "SUCCESS"),
    Outcome("SUCCESS", "SUCCESS"),
    Outcome("FAILURE", "FAILURE", error={"type": "E", "message": ""}),
    Outcome("RETRY", "FAILURE", error={"type": "E", "message": ""}),
    Outcome("PENDING", "RETURNED"),
    Outcome("PENDING", "LOST"),
)


async def submit(
    tenants: dict[str, dict[str, int]], count: int, options: dict[str, Any], batch: int = 0
) -> Counter[str]:
    """Submit so many tasks (or batches of ``batch``) of each tenant, whose limits are overrides of the free plan."""
    redis = redis_connections.connect(get_settings().redis_url)
    writer, reader = Database("tq_submit", size=1), Database("tq_api", size=1)
    rates = Rates(redis)
    acceptor = Acceptor(writer, reader, redis)
    happened: Counter[str] = Counter()
    wanted = iter([tenant_id for _ in range(count) for tenant_id in tenants])
    request = {"task": "echo", "payload": 1} | options
    body: Incoming[Any] = Incoming(Request({"type": "http"}), BatchRequest if batch else SubmitRequest, BATCH_BOUNDS)
    body.raw = json.dumps({"tasks": [request] * batch} if batch else request).encode()

    async def lane() -> None:
        for tenant_id in wanted:
            caller = Principal(UUID(tenant_id), "a", "free", tenants[tenant_id], "active", frozenset(), "key")
            try:
                rate = await admission.ask_rate(
                    rates, caller.tenant_id, plans.limits_of(caller), policies.submit_policies
                )
                read = submit_calls.read_batch if batch else submit_calls.read_submit
                specs, idempotency = read(caller, body, None)
                decided = await acceptor.accept(specs, idempotency)
                accepted = responses.require_accepted(decided, specs.limits, rate)
                told = ["accepted"]
                if batch:
                    outcomes = json.loads(responses.batch(accepted, specs.limits, rate).body)["outcomes"]
                    told = [each.get("error", {}).get("code", "accepted") for each in outcomes]
            except Problem as problem:
                told = [problem.code] * (batch or 1)
            happened.update(f"{tenant_id} {code}" for code in told)
            await asyncio.sleep(0.002)

    await asyncio.gather(*(lane() for _ in range(_LANES)))
    await acceptor.close()
    rates.close()
    for database in (writer, reader):
        await database.close()
    await redis.aclose()
    return happened


async def run(tenant_id: UUID) -> Counter[str]:
    """Claim and end the tenant's tasks in every way until none is left; cancel one now and then."""
    worker, api = Database("tq_worker", size=_LANES), Database("tq_api", size=2)
    happened: Counter[str] = Counter()
    idle_looks = 0

    async def lane() -> None:
        nonlocal idle_looks
        while idle_looks < 3 * _LANES:
            claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
            if not claims:
                # Those who submit may not have begun; later, others may still run what comes back.
                idle_looks += bool(happened)
                await asyncio.sleep(0.05)
                continue
            idle_looks = 0
            [claim] = claims
            await asyncio.sleep(random.uniform(0, 0.01))
            if random.random() < 0.2:
                await cancel(api, tenant_id, claim.task_id)
            [ended] = await end_attempts(worker, [AttemptEnd(claim, random.choice(_ENDS))])
            status = ended.status if ended else "FENCED"
            happened[status] += 1
            if status in {"RETRY", "PENDING"} and random.random() < 0.3:
                happened[f"cancelled {await cancel(api, tenant_id, claim.task_id)}"] += 1

    await asyncio.gather(*(lane() for _ in range(_LANES)))
    await worker.close()
    await api.close()
    return happened


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(duty: dict[str, Any]) -> None:
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    if duty["do"] == "submit":
        happened = await submit(duty["tenants"], duty["count"], duty.get("options", {}), duty.get("batch", 0))
    else:
        happened = await run(UUID(duty["tenant"]))
    _say(json.dumps(happened))


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
