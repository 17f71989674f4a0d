"""Count calls against the tenant's rate, and check the permission to submit, which is counted in its own way."""

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
    """Return who is submitting, where the tenant's rate admits the call; the answer says what is left of each limit."""
    await admit(request, principal)
    return principal


async def count(request: Request, principal: Principal) -> None:
    """Count one call, once: before its body is read, where it has one. Raises ``RateLimited``."""
    state = request.scope["state"]
    if "headers" not in state:
        limits = plans.limits_of(principal)
        admission: Admission = request.app.state.admission
        state["headers"] = await admission.call(principal.tenant_id, limits)


async def admit(request: Request, principal: Principal) -> "list[Remaining]":
    """Count one submit, once, before its body is read, replay or not; return what remains. Raises ``RateLimited``."""
    state = request.scope["state"]
    if "rate" not in state:
        limits = plans.limits_of(principal)
        admission: Admission = request.app.state.admission
        state["rate"] = await admission.submit(principal.tenant_id, limits)
    remaining: list[Remaining] = state["rate"]
    return remaining


# A submit that ends so was not held against its quotas: its answer says what is left of the rate alone.
_REFUSED_EARLY: Final = frozenset({400, 404, 409, 413, 415, 422})


async def answer_submit(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a submit; a refusal for what it says tells what is left of the rate, as other calls' answers do."""
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
"""Counted as well; the answer says what is left of the quotas, too."""
