"""Lost attempts are taken away one by one, so that one that cannot be ended keeps no other waiting."""

import uuid
from typing import Any

import asyncpg
import pytest

from app.dispatch.rescuer import Rescuer
from tests.claims import claim_for
from tests.conftest import role_url
from tests.races.conftest import Yard


async def test_an_attempt_that_cannot_be_ended_keeps_no_other_waiting(yard: Yard, caplog: pytest.LogCaptureFixture):
    tenant_id, worker = await yard.tenant(), yard.database("tq_worker", 1)
    await yard.tasks(tenant_id, 5)
    dispatcher: asyncpg.Connection[Any] = await asyncpg.connect(role_url(yard.environment, "tq_dispatch"))
    try:
        claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=5)
        await yard.owner.execute(
            "UPDATE attempt SET started_at = now() - interval '1 minute' WHERE tenant_id = $1", tenant_id
        )
        poison = claims[2].task_id
        await yard.owner.execute(
            f"ALTER TABLE task ADD CONSTRAINT no_poison CHECK (id <> '{poison}' OR status = 'STARTED')"
        )
        try:
            rescued = await Rescuer(await yard.lead(dispatcher), worker).tick()
        finally:
            await yard.owner.execute("ALTER TABLE task DROP CONSTRAINT no_poison")
        running = "SELECT id FROM task WHERE tenant_id = $1 AND status = 'STARTED'"
        assert [row["id"] for row in await yard.owner.fetch(running, tenant_id)] == [poison]
        assert rescued.offers.count((tenant_id, "prefork")) == 4
        [line] = [record for record in caplog.records if record.message == "a lost attempt cannot be ended"]
        assert (line.__dict__["task_id"], line.__dict__["error"]) == (str(poison), "CheckViolationError")
        # It is taken away once its fault is gone.
        await Rescuer(await yard.lead(dispatcher), worker).tick()
        assert await yard.owner.fetch(running, tenant_id) == []
    finally:
        await dispatcher.close()
        await worker.close()
