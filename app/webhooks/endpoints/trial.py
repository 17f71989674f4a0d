"""Send an example to an endpoint, and wait for the answer.

The process that delivers sends it, as it sends everything: only that process opens secrets for signing and connects to
receivers, under its guard. A test is a delivery without an event, with one attempt.
"""

import asyncio
from typing import Final
from uuid import UUID

from app.accounts import daily_changes
from app.audit import log as audit
from app.audit.log import Actor
from app.core import ids
from app.core.errors import NotFound, Unavailable
from app.db import Database
from app.webhooks.endpoints import examples, store, trial_store
from app.webhooks.endpoints.schemas import EndpointTest
from app.webhooks.endpoints.store import EndpointRow

_TIMEOUT: Final = 15.0
_INTERVAL: Final = 0.1
_NO_SENDER: Final = "No process that delivers webhooks runs now, so nothing was sent. Try again later."
_NOT_SENT: Final = "No process that delivers webhooks has taken the test within 15 s. Try again later."
_NO_ANSWER: Final = "The test was sent late, and its answer was not there within 15 s. Try again."


async def send(
    reader: Database, accounts: Database, actor: Actor, tenant_id: UUID, endpoint_id: UUID, kind: str
) -> EndpointTest:
    """Send an example of a type; return the answer. Raises ``NotFound``, ``LimitReached`` and ``Unavailable``."""
    async with accounts.transaction(tenant_id) as connection:
        found = await store.find(connection, tenant_id, endpoint_id)
    if found is None:
        raise NotFound(store.UNKNOWN)
    async with reader.transaction(tenant_id) as connection:
        # Asked first, so that a caller does not wait 15 s for a process that does not run.
        if not await trial_store.is_sender_alive_any_tenant(connection):
            raise Unavailable(_NO_SENDER)
    delivery_id = await _insert(accounts, actor, tenant_id, found, kind)
    return await _wait(reader, accounts, tenant_id, delivery_id)


async def _insert(accounts: Database, actor: Actor, tenant_id: UUID, found: EndpointRow, kind: str) -> UUID:
    endpoint_id = found.endpoint_id
    async with accounts.transaction(tenant_id) as connection:
        await daily_changes.admit(connection, actor, tenant_id)
        delivery_id = ids.new_id()
        body = examples.body(kind, endpoint_id, found.url)
        await trial_store.insert(connection, tenant_id, delivery_id, endpoint_id, kind=kind, url=found.url, body=body)
        await audit.record(connection, tenant_id, actor, "endpoint.tested", str(endpoint_id), {"type": kind})
    return delivery_id


async def _wait(reader: Database, accounts: Database, tenant_id: UUID, delivery_id: UUID) -> EndpointTest:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TIMEOUT
    while loop.time() < deadline:
        async with reader.transaction(tenant_id) as connection:
            found = await trial_store.find(connection, tenant_id, delivery_id)
        if found is not None:
            return EndpointTest(delivery_id=delivery_id, **found)
        await asyncio.sleep(_INTERVAL)
    async with accounts.transaction(tenant_id) as connection:
        # The answer will say that nothing was sent, so it must not be sent afterwards.
        is_withdrawn = await trial_store.withdraw(connection, tenant_id, delivery_id, _NOT_SENT)
    raise Unavailable(_NOT_SENT if is_withdrawn else _NO_ANSWER)
