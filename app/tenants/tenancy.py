"""Create a tenant, change its plan and limits, suspend, pause and resume it. Each change is audited."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, Literal
from uuid import UUID

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import InvalidRequest, NotFound, Problem
from app.core.ids import new_id
from app.core.secrets import Secrets
from app.db import Connection
from app.tenants import plans, store, webhook_secrets
from app.tenants.store import TenantRecord

# The form of one label of a host name (RFC 1123).
_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME_LENGTH: Final = 200


class SlugTaken(Problem):
    """Another tenant has the slug."""

    status, code, title = 409, "slug_taken", "Slug taken"


def limits_of(tenant: TenantRecord) -> plans.Limits:
    """Return a tenant's limits: those of its plan with its overrides."""
    return plans.effective(tenant.plan, tenant.limits)


async def find(connection: Connection, slug: str) -> TenantRecord:
    """Return the tenant with a slug. Raises ``NotFound``."""
    tenant = await store.find_by_slug_any_tenant(connection, slug)
    if tenant is None:
        raise NotFound("There is no tenant with this slug. scripts/admin tenant list shows the tenants.")
    return tenant


async def lock(connection: Connection, tenant_id: UUID) -> TenantRecord:
    """Return a tenant and lock its row until the transaction ends. Raises ``NotFound``."""
    tenant = await store.lock(connection, tenant_id)
    if tenant is None:
        raise NotFound("There is no tenant with this id.")
    return tenant


async def create(
    connection: Connection, actor: Actor, *, slug: str, name: str, plan: str, secrets: Secrets
) -> tuple[TenantRecord, str]:
    """Create a tenant with its slots and a webhook secret, and return both; the secret is not shown again.

    Raises ``InvalidRequest`` for an invalid slug, name or plan, and ``SlugTaken``.
    """
    _check(slug, name, plan)
    tenant_id = new_id()
    if not await store.insert(connection, tenant_id, slug=slug, name=name, plan=plan):
        raise SlugTaken("A tenant with this slug already exists. Choose another slug.")
    # Here and not with the first task: every claim and end expects the row.
    await _write_slots(connection, tenant_id, plans.PLANS[plan])
    webhook_secret = await _add_webhook_secret(connection, tenant_id, secrets)
    await audit.record(connection, tenant_id, actor, "tenant.created", slug, {"plan": plan, "name": name})
    return await find(connection, slug), webhook_secret


def _check(slug: str, name: str, plan: str) -> None:
    if not _SLUG.fullmatch(slug):
        raise InvalidRequest("A slug must have 1 to 63 of the characters a-z, 0-9 and '-', with no '-' at either end.")
    _check_name(name)
    _check_plan(plan)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise InvalidRequest(f"The name of a tenant must have 1 to {_NAME_LENGTH} characters.")


def _check_plan(plan: str) -> None:
    if plan not in plans.PLANS:
        raise InvalidRequest(f"Choose one of these plans: {', '.join(plans.PLANS)}.")


async def _add_webhook_secret(connection: Connection, tenant_id: UUID, secrets: Secrets) -> str:
    text, secret_id = webhook_secrets.generate(), new_id()
    sealed = webhook_secrets.seal(text, tenant_id, secret_id, secrets)
    await store.insert_webhook_secret(connection, tenant_id, secret_id, sealed)
    return text


async def set_plan(connection: Connection, actor: Actor, tenant_id: UUID, plan: str) -> TenantRecord:
    """Change the plan. Overrides stay, and running tasks go on. Raises ``InvalidRequest`` for an unknown plan."""
    _check_plan(plan)
    tenant = await lock(connection, tenant_id)
    await _write_contract(connection, tenant_id, plan, tenant.limits)
    await audit.record(
        connection, tenant_id, actor, "tenant.plan_changed", tenant.slug, {"from": tenant.plan, "to": plan}
    )
    return await find(connection, tenant.slug)


async def set_limits(
    connection: Connection, actor: Actor, tenant_id: UUID, changes: Mapping[str, int | None]
) -> TenantRecord:
    """Override limits of the plan by name; ``None`` removes an override. Raises ``InvalidRequest``."""
    # Checked before the lock, for which other calls may wait.
    for name, value in changes.items():
        if error := plans.validation_error(name, value):
            raise InvalidRequest(error)
    # Locked before the old limits are read: of two operators at once, neither loses the other's change.
    tenant = await lock(connection, tenant_id)
    merged = {**tenant.limits, **changes}
    limits = {name: value for name, value in merged.items() if value is not None}
    await _write_contract(connection, tenant_id, tenant.plan, limits)
    await audit.record(connection, tenant_id, actor, "tenant.limits_changed", tenant.slug, dict(changes))
    return await find(connection, tenant.slug)


async def _write_contract(connection: Connection, tenant_id: UUID, plan: str, limits: Mapping[str, int]) -> None:
    await store.set_contract(connection, tenant_id, plan, limits)
    await _write_slots(connection, tenant_id, plans.effective(plan, limits))


async def _write_slots(connection: Connection, tenant_id: UUID, limits: plans.Limits) -> None:
    # Claims and ends read these from tenant_slots, which they lock. It must agree with the contract at every moment.
    await store.set_slots(
        connection,
        tenant_id,
        running_limit=limits.running,
        lease_limit=limits.leases,
        logs_events=limits.event_hours > 0,
    )


async def rename(connection: Connection, actor: Actor, tenant_id: UUID, name: str) -> TenantRecord:
    """Change the name of a tenant for people. Its slug stays. Raises ``InvalidRequest``."""
    _check_name(name)
    tenant = await lock(connection, tenant_id)
    await store.set_name(connection, tenant_id, name)
    await audit.record(connection, tenant_id, actor, "tenant.renamed", tenant.slug, {"from": tenant.name, "to": name})
    return await find(connection, tenant.slug)


async def suspend(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """Refuse every call of a tenant and start none of its tasks. Running tasks go on."""
    return await _set_status(connection, actor, tenant_id, "suspended", "tenant.suspended")


async def resume(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """End a suspension: calls are answered again, and waiting tasks start."""
    return await _set_status(connection, actor, tenant_id, "active", "tenant.resumed")


async def _set_status(
    connection: Connection, actor: Actor, tenant_id: UUID, status: Literal["active", "suspended"], action: str
) -> TenantRecord:
    tenant = await lock(connection, tenant_id)
    await store.set_status(connection, tenant_id, status)
    await audit.record(connection, tenant_id, actor, action, tenant.slug)
    return await find(connection, tenant.slug)


async def mark_deleted(connection: Connection, actor: Actor, slug: str) -> TenantRecord:
    """Mark a tenant as deleted: its credentials become invalid, and none of its tasks starts. Raises ``NotFound``.

    A second call changes nothing.
    """
    tenant = await store.find_leaving_any_tenant(connection, slug)
    if tenant is None:
        raise NotFound("There is no tenant with this slug. scripts/admin tenant list shows the tenants.")
    # An interrupted deletion is called again. It must not record a second event.
    if tenant.status != "deleted":
        await store.set_status(connection, tenant.id, "deleted")
        await audit.record(connection, tenant.id, actor, "tenant.deletion_begun", slug)
    return tenant


async def pause_queue(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """Start none of the tenant's tasks. Calls are still answered, and running tasks go on."""
    return await _set_queue_paused(connection, actor, tenant_id, is_paused=True)


async def resume_queue(connection: Connection, actor: Actor, tenant_id: UUID) -> TenantRecord:
    """End the operator's pause: waiting tasks start again, unless the tenant has paused its queue as well."""
    return await _set_queue_paused(connection, actor, tenant_id, is_paused=False)


async def _set_queue_paused(connection: Connection, actor: Actor, tenant_id: UUID, *, is_paused: bool) -> TenantRecord:
    tenant = await lock(connection, tenant_id)
    await store.set_queue_paused(connection, tenant_id, is_paused=is_paused)
    action = "queue.paused" if is_paused else "queue.resumed"
    await audit.record(connection, tenant_id, actor, action, tenant.slug)
    return await find(connection, tenant.slug)


def describe(tenant: TenantRecord) -> dict[str, object]:
    """Return a tenant as plain data, with its effective limits and its overrides. A limit of ``None`` is unlimited."""
    return {
        "tenant_id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "status": tenant.status,
        "queue": f"tenant.{tenant.id}",
        "queue_paused": tenant.queue_paused,
        "queue_paused_by_tenant": tenant.queue_paused_by_tenant,
        "limits": _or_null(asdict(limits_of(tenant))),
        "overrides": _or_null(tenant.limits),
        "created_at": tenant.created_at.isoformat(),
    }


def _or_null(limits: Mapping[str, int]) -> dict[str, int | None]:
    return {name: plans.or_none(value) for name, value in limits.items()}
