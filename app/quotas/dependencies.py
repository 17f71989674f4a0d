"""Count calls against the tenant's rate. Submits are counted separately, because they report quotas too."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import Request, Security
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.core.errors import Problem
from app.identity import scopes
from app.identity.dependencies import caller
from app.identity.principal import Principal
from app.quotas import limits as policies
from app.tenants import plans

if TYPE_CHECKING:
    from app.quotas.admission import Admission
    from app.quotas.limits import Remaining


async def submitting(request: Request, principal: Annotated[Principal, Security(caller)]) -> Principal:
    """Return the caller of a submit, after its call was counted. The response reports what is left of each limit."""
    await admit(request, principal)
    return principal


async def count(request: Request, principal: Principal) -> None:
    """Count a call, once, before its body is read. Raises ``RateLimited``."""
    state = request.scope["state"]
    # A route may ask more than once (before the body and as a dependency), but the call counts once.
    if "headers" not in state:
        limits = plans.limits_of(principal)
        admission: Admission = request.app.state.admission
        state["headers"] = await admission.call(principal.tenant_id, limits)


async def admit(request: Request, principal: Principal) -> "list[Remaining]":
    """Count a submit, once, before its body is read; return what remains. Raises ``RateLimited``.

    A replay counts too: it is recognised only after the body was read.
    """
    state = request.scope["state"]
    if "rate" not in state:
        limits = plans.limits_of(principal)
        admission: Admission = request.app.state.admission
        state["rate"] = await admission.submit(principal.tenant_id, limits)
    remaining: list[Remaining] = state["rate"]
    return remaining


# Statuses of a submit that was refused before its quotas were checked: the response reports only the rate.
_REFUSED_EARLY: Final = frozenset({400, 404, 409, 413, 415, 422})


async def answer_submit(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a submit. If it is refused because of its content, the response reports what is left of the rate."""
    try:
        return await answer(request)
    except (RequestValidationError, Problem) as error:
        state = request.scope["state"]
        if "rate" in state and (not isinstance(error, Problem) or error.status in _REFUSED_EARLY):
            principal: Principal = state["principal"]
            limits = plans.limits_of(principal)
            state["headers"] = policies.fields(policies.call_policies(limits), state["rate"])
        raise


TaskSubmitter: TypeAlias = Annotated[Principal, Security(submitting, scopes=[scopes.TASKS_WRITE])]
"""A caller with the scope ``tasks:write``. The call is counted as a submit, and its response reports the quotas too."""
