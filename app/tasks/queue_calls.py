"""Handlers of the calls by which a tenant pauses and resumes its own queue."""

from typing import Final

from starlette.requests import Request

from app.broker import tickets
from app.broker.ring import RINGS
from app.broker.tickets import Offer
from app.identity.dependencies import acting
from app.identity.principal import Principal
from app.quotas import usage
from app.quotas.schemas import QueueState
from app.tasks.parts import TaskParts
from app.tenants import queue_pause

_POOLS: Final = tuple(RINGS)


async def pause_queue(request: Request, principal: Principal, parts: TaskParts) -> QueueState:
    """Start none of your tasks until you resume the queue. Running tasks go on, and calls are still answered.

    Submitted tasks wait (`waiting_reason` is `QUEUE_PAUSED`), and those with an expiry may expire meanwhile.
    """
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        tenant = await queue_pause.pause(connection, acting(request, principal), principal.tenant_id)
    return usage.queue_state(by_tenant=tenant.queue_paused_by_tenant, by_operator=tenant.queue_paused)


async def resume_queue(request: Request, principal: Principal, parts: TaskParts) -> QueueState:
    """End your own pause of the queue, so that waiting tasks start. A pause by the operator stays."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        tenant = await queue_pause.resume(connection, acting(request, principal), principal.tenant_id)
    # One ticket for each pool is enough: the slot that takes it offers further tickets if more tasks are due.
    await tickets.offer_quietly(parts.redis, [Offer(principal.tenant_id, pool) for pool in _POOLS])
    return usage.queue_state(by_tenant=tenant.queue_paused_by_tenant, by_operator=tenant.queue_paused)
