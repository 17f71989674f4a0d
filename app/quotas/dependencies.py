"""Permissions whose calls count against the tenant's rate: ``principal: TaskReader``."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from fastapi import Request, Security
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.core.errors import Problem
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


# A submit that ends so never came to the gate.
_REFUSED_EARLY: Final = frozenset({400, 404, 409, 413, 415, 422})


async def answer_submit(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a submit, which counts where it asks for its quotas; one that is refused before that counts here.

    A request without a caller counts for nobody.
    """
    try:
        return await answer(request)
    except (RequestValidationError, Problem) as error:
        principal = request.scope["state"].get("principal")
        if principal and (not isinstance(error, Problem) or error.status in _REFUSED_EARLY):
            await count(request, principal)
        raise


RATED: Final[Any] = Security(rated)
"""For a whole router whose routes name permissions of app/identity."""

TaskReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_READ])]
TaskWriter: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_WRITE])]
UsageReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.USAGE_READ])]
WebhookManager: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.WEBHOOKS_MANAGE])]
TaskSubmitter: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.TASKS_WRITE])]
"""Not counted: a submit asks for its rate itself, once it is no replay."""
