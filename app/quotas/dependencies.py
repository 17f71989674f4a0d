"""Permissions whose calls count against the tenant's rate: ``principal: TaskReader``."""

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from fastapi import Request, Security

from app.identity import scopes
from app.identity.dependencies import caller
from app.identity.principal import Principal
from app.tenants import plans

if TYPE_CHECKING:
    from app.quotas.admission import Admission


async def rated(request: Request, principal: Annotated[Principal, Security(caller)]) -> Principal:
    """Return who is calling, where the tenant's rate admits the call; the answer says what is left of it."""
    await count(request, principal)
    return principal


async def count(request: Request, principal: Principal) -> None:
    """Count one call. Raises ``RateLimited``."""
    admission: Admission = request.app.state.admission
    limits = plans.effective(principal.plan, principal.limits)
    request.scope["state"]["headers"] = await admission.call(principal.tenant_id, limits)


RATED: Final[Any] = Security(rated)
"""For a whole router whose routes name permissions of app/identity."""

TaskReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_READ])]
TaskWriter: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_WRITE])]
UsageReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.USAGE_READ])]
WebhookManager: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.WEBHOOKS_MANAGE])]
TaskSubmitter: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.TASKS_WRITE])]
"""Not counted: a submit asks for its rate itself, once it is no replay."""
