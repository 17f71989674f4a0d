"""Admit calls: who calls, whether they may, and whether the tenant's rate allows it.

Quotas of tasks are checked where tasks are stored (``tasks_accept``). ``CALLS`` and ``SUBMITS`` are the rate classes of
operations: the response to a submit reports what is left of the quotas, too.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from fastapi import Security
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from starlette.requests import Request
from starlette.types import Scope

from app.core import ids
from app.core.errors import InsufficientScope, InvalidCredentials, NotFound, Problem, RateLimited
from app.identity import credentials
from app.identity.dependencies import caller, caller_or_token, permitted
from app.identity.principal import Principal
from app.quotas import limits as policies
from app.quotas.limits import Remaining
from app.quotas.parts import QuotaParts
from app.quotas.rate import Rates
from app.tenants import plans
from app.tenants.plans import Limits

_PRIVATE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Headers of an answer to a request with a token in its URL, so that no cache and no other site gets the URL."""
# Statuses of a submit that was refused before its quotas were checked: the response reports only the rate.
_REFUSED_EARLY: Final = frozenset({400, 403, 404, 409, 413, 415, 422})


class _CallRate:
    """Calls that count against the rate only."""

    gives: ClassVar[frozenset[str]] = frozenset({"principal"})

    async def admit(self, request: Request, scope: str) -> dict[str, Any]:
        """Return the caller. Raises ``Unauthenticated``, ``RateLimited`` and ``InsufficientScope``.

        The call counts before its permission is checked: a key without the scope cannot ask without limit either.
        """
        principal = await QuotaParts.of(request).verifier.authenticate(request.scope)
        await count(request, principal)
        return {"principal": permitted(principal, scope)}

    def admit_now(self, scope: Scope, needed: str) -> dict[str, Any] | None:
        """Return the caller if it is remembered, may call and has no rate. Otherwise ``admit`` must be asked."""
        principal = QuotaParts.of_app(scope["app"]).verifier.remembered(scope)
        is_admitted = principal is not None and needed in principal.scopes
        if principal is None or not is_admitted or policies.rate_of(plans.limits_of(principal)) is not None:
            return None
        return {"principal": principal}

    def refused(self, request: Request, error: Exception) -> None:
        """Do nothing: the answer has its RateLimit fields already."""

    def documented(self, scope: str) -> Depends:
        """Return the permission, as the API document describes it."""
        permission: Depends = Security(caller, scopes=[scope])
        return permission


class _SubmitRate(_CallRate):
    """Calls that store tasks: ``rate`` is what remains of the rate, for an answer that reports the quotas as well."""

    gives: ClassVar[frozenset[str]] = frozenset({"principal", "rate"})

    def admit_now(self, scope: Scope, needed: str) -> None:
        """Return None: an answer that reports the rate waits for Postgres anyway."""

    async def admit(self, request: Request, scope: str) -> dict[str, Any]:
        """Return the caller and what remains of its rate. Raises as for other calls.

        A replay counts too: it is recognised only after the body was read.
        """
        parts = QuotaParts.of(request)
        principal = await parts.verifier.authenticate(request.scope)
        limits = plans.limits_of(principal)
        # Before the scope is checked: a key without the scope cannot ask without limit either.
        remaining = await ask_rate(parts.rates, principal.tenant_id, limits, policies.submit_policies)
        request.scope["state"]["rate"] = remaining
        try:
            permitted(principal, scope)
        except InsufficientScope as error:
            self.refused(request, error)
            raise
        return {"principal": principal, "rate": remaining}

    def refused(self, request: Request, error: Exception) -> None:
        """Report the remaining rate with a refusal that cost no quota, as other calls do."""
        if isinstance(error, RequestValidationError) or (isinstance(error, Problem) and error.status in _REFUSED_EARLY):
            state = request.scope["state"]
            limits = plans.limits_of(state["principal"])
            state["headers"] = policies.fields(policies.call_policies(limits), state["rate"])


class _TaskCallRate(_CallRate):
    """Calls that read one task, and also accept a token that may read only this task, in the URL."""

    async def admit(self, request: Request, scope: str) -> dict[str, Any]:
        """Return the caller. Raises as for other calls, and ``NotFound`` if the token is for another task."""
        state = request.scope["state"]
        try:
            if not credentials.take_stream_token(request.scope):
                return await super().admit(request, scope)
        except InvalidCredentials:
            state["headers"] = _PRIVATE
            raise
        try:
            given = await super().admit(request, scope)
            if given["principal"].token.task_id != ids.read(request.scope["path_params"]["task_id"]):
                # The same answer as for another tenant's task: the token says nothing about it.
                raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
            return given
        finally:
            # Also for a refusal: its URL has the token as well.
            state["headers"] = {**state.get("headers", {}), **_PRIVATE}

    def documented(self, scope: str) -> Depends:
        """Return the permission, as the API document describes it."""
        permission: Depends = Security(caller_or_token, scopes=[scope])
        return permission


CALLS: Final = _CallRate()
TASK_CALLS: Final = _TaskCallRate()
SUBMITS: Final = _SubmitRate()


async def count(request: Request, principal: Principal) -> None:
    """Count a call, once, before its body is read; the response reports the rate. Raises ``RateLimited``."""
    state = request.scope["state"]
    # A route may ask more than once (before the body and as a dependency), but the call counts once.
    if "headers" not in state:
        rates, limits = QuotaParts.of(request).rates, plans.limits_of(principal)
        remaining = await ask_rate(rates, principal.tenant_id, limits, policies.call_policies)
        state["headers"] = policies.fields(policies.call_policies(limits), remaining)


async def ask_rate(
    rates: Rates, tenant_id: UUID, limits: Limits, policy_field: Callable[[Limits], str]
) -> list[Remaining]:
    """Count a call and return what remains of the rate: nothing for an unlimited one. Raises ``RateLimited``.

    ``policy_field`` returns the value of RateLimit-Policy for a refusal.
    """
    rate = policies.rate_of(limits)
    # An unlimited tenant costs Redis nothing.
    if rate is None:
        return []
    answer = await rates.ask(tenant_id, rate)
    remaining = policies.rate_remaining(rate, answer)
    if not answer.is_allowed:
        wait = policies.seconds(answer.wait)
        raise RateLimited(
            "Too many requests. Wait as long as Retry-After says.",
            headers={"Retry-After": str(wait), **policies.fields(policy_field(limits), [remaining])},
            **{"violated-policies": ["rate"], "limit": limits.requests_per_second, "retry_after": wait},
        )
    return [remaining]
