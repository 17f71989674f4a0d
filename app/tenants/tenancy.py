"""The life of a tenant: created, given a plan and limits, suspended, paused, resumed. Each act is audited."""

import base64
import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, Literal
from uuid import UUID

from app.audit import store as audit
from app.audit.store import Actor
from app.core import crypto
from app.core.errors import InvalidRequest, NotFound, Problem
from app.core.ids import new_id
from app.core.secrets import Secrets
from app.db import Connection
from app.models.tenant import Tenant
from app.tenants import plans, store
from app.tenants.sealing import secret_place

_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME_LENGTH: Final = 200


class SlugTaken(Problem):
    """Another tenant has the slug."""

    status, code, title = 409, "slug_taken", "Slug taken"


def limits_of(tenant: Tenant) -> plans.Limits:
    """Return the limits that hold for a tenant."""
    return plans.effective(tenant.plan, tenant.limits)


async def find(connection: Connection, slug: str) -> Tenant:
    """Return the tenant of a slug; raises ``NotFound``."""
    tenant = await store.find_by_slug_any_tenant(connection, slug)
    if tenant is None:
        raise NotFound("There is no tenant with this slug.")
    return tenant


async def lock(connection: Connection, tenant_id: UUID) -> Tenant:
    """Return a tenant that nobody else changes meanwhile; raises ``NotFound``."""
    tenant = await store.lock(connection, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.")
    return tenant


async def create(
    connection: Connection, actor: Actor, *, slug: str, name: str, plan: str, secrets: Secrets
) -> tuple[Tenant, str]:
    """Make a tenant with its slots and a webhook secret, which is returned in the clear this once.

    Raises ``InvalidRequest`` for a slug, name or plan that cannot be, ``SlugTaken`` for one that is.
    """
    _check(slug, name, plan)
    tenant_id = new_id()
    if not await store.insert(connection, tenant_id, slug=slug, name=name, plan=plan):
        raise SlugTaken("A tenant with this slug exists.")
    await store.set_running_limit(connection, tenant_id, plans.PLANS[plan].running)
    webhook_secret = await _add_webhook_secret(connection, tenant_id, secrets)
    await audit.record(connection, tenant_id, actor, "tenant.created", slug, {"plan": plan, "name": name})
    return await find(connection, slug), webhook_secret


def _check(slug: str, name: str, plan: str) -> None:
    if not _SLUG.fullmatch(slug):
        raise InvalidRequest("A slug is 1 to 63 of a-z, 0-9 and '-', with no '-' at either end.")
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise InvalidRequest(f"A name has 1 to {_NAME_LENGTH} characters.")
    _check_plan(plan)


def _check_plan(plan: str) -> None:
    if plan not in plans.PLANS:
        raise InvalidRequest(f"The plans are: {', '.join(plans.PLANS)}.")


async def _add_webhook_secret(connection: Connection, tenant_id: UUID, secrets: Secrets) -> str:
    text = "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()
    secret_id = new_id()
    sealed = crypto.seal(text.encode(), tenant_id=tenant_id, place=secret_place(secret_id), secrets=secrets)
    await store.insert_webhook_secret(connection, tenant_id, secret_id, sealed)
    return text


async def set_plan(connection: Connection, actor: Actor, tenant_id: UUID, plan: str) -> Tenant:
    """Change the plan; overrides stay, what runs goes on. Raises ``InvalidRequest`` for an unknown plan."""
    _check_plan(plan)
    tenant = await lock(connection, tenant_id)
    await _write_contract(connection, tenant_id, plan, tenant.limits)
    await audit.record(
        connection, tenant_id, actor, "tenant.plan_changed", tenant.slug, {"from": tenant.plan, "to": plan}
    )
    return await find(connection, tenant.slug)


async def set_limits(
    connection: Connection, actor: Actor, tenant_id: UUID, changes: Mapping[str, int | None]
) -> Tenant:
    """Override limits of the plan by name; ``None`` removes an override. Raises ``InvalidRequest``."""
    for name, value in changes.items():
        if objection := plans.objection(name, value):
            raise InvalidRequest(objection)
    tenant = await lock(connection, tenant_id)
    merged = {**tenant.limits, **changes}
    limits = {name: value for name, value in merged.items() if value is not None}
    await _write_contract(connection, tenant_id, tenant.plan, limits)
    await audit.record(connection, tenant_id, actor, "tenant.limits_changed", tenant.slug, dict(changes))
    return await find(connection, tenant.slug)


async def _write_contract(connection: Connection, tenant_id: UUID, plan: str, limits: Mapping[str, int]) -> None:
    # The claim reads the running limit beside the count: the two tables must say the same at every moment.
    await store.set_contract(connection, tenant_id, plan, limits)
    await store.set_running_limit(connection, tenant_id, plans.effective(plan, limits).running)


async def suspend(connection: Connection, actor: Actor, tenant_id: UUID) -> Tenant:
    """Refuse every call and start nothing more; what runs goes on."""
    return await _set_status(connection, actor, tenant_id, "suspended", "tenant.suspended")


async def resume(connection: Connection, actor: Actor, tenant_id: UUID) -> Tenant:
    """End a suspension."""
    return await _set_status(connection, actor, tenant_id, "active", "tenant.resumed")


async def _set_status(
    connection: Connection, actor: Actor, tenant_id: UUID, status: Literal["active", "suspended"], action: str
) -> Tenant:
    tenant = await lock(connection, tenant_id)
    await store.set_status(connection, tenant_id, status)
    await audit.record(connection, tenant_id, actor, action, tenant.slug)
    return await find(connection, tenant.slug)


async def mark_deleted(connection: Connection, actor: Actor, slug: str) -> Tenant:
    """Begin a tenant's end: its credentials hold no longer, and nothing of it starts. A second time changes nothing.

    Raises ``NotFound``.
    """
    tenant = await store.find_leaving_any_tenant(connection, slug)
    if tenant is None:
        raise NotFound("There is no tenant with this slug.")
    if tenant.status != "deleted":
        await store.set_status(connection, tenant.id, "deleted")
        await audit.record(connection, tenant.id, actor, "tenant.deletion_begun", slug)
    return tenant


async def pause_queue(connection: Connection, actor: Actor, tenant_id: UUID) -> Tenant:
    """Start nothing more; calls are answered and what runs goes on."""
    return await _set_queue_paused(connection, actor, tenant_id, is_paused=True)


async def resume_queue(connection: Connection, actor: Actor, tenant_id: UUID) -> Tenant:
    """End a pause."""
    return await _set_queue_paused(connection, actor, tenant_id, is_paused=False)


async def _set_queue_paused(connection: Connection, actor: Actor, tenant_id: UUID, *, is_paused: bool) -> Tenant:
    tenant = await lock(connection, tenant_id)
    await store.set_queue_paused(connection, tenant_id, is_paused=is_paused)
    action = "queue.paused" if is_paused else "queue.resumed"
    await audit.record(connection, tenant_id, actor, action, tenant.slug)
    return await find(connection, tenant.slug)


def describe(tenant: Tenant) -> dict[str, object]:
    """Return a tenant as plain data, with the limits that hold and those which are overridden."""
    return {
        "tenant_id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "status": tenant.status,
        "queue": f"tenant.{tenant.id}",
        "queue_paused": tenant.queue_paused,
        "limits": asdict(limits_of(tenant)),
        "overrides": dict(tenant.limits),
        "created_at": tenant.created_at.isoformat(),
    }
