"""Permissions as parameter types: ``principal: TaskWriter``. Each call counts against the tenant's rate.

A room above this one keeps the rates: its ``count`` is ``IdentityParts.count_call``.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Query, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import APIKey as APIKeyModel
from fastapi.openapi.models import APIKeyIn
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from app.core.errors import InsufficientScope
from app.http.strict_json import SMALL, Bounds
from app.http.strict_route import StrictRoute
from app.identity import scopes
from app.identity.credentials import REALM, STREAM_TOKEN
from app.identity.parts import IdentityParts
from app.identity.principal import Actor, Principal


class _Documented(SecurityBase):
    """A way to send credentials, for the API document. ``caller`` reads all of them itself, at a tenth of the cost."""

    def __init__(self, scheme_name: str, model: HTTPBearerModel | APIKeyModel) -> None:
        self.scheme_name = scheme_name
        self.model = model

    async def __call__(self) -> None:
        """Do nothing."""


_BEARER: Final = _Documented(
    "bearer",
    HTTPBearerModel(description="`Authorization: Bearer <API key | JWT>`. An API key is also taken as `X-API-Key`."),
)
_HEADER: Final = _Documented(
    "apiKey",
    APIKeyModel.model_validate({"in": APIKeyIn.header, "name": "X-API-Key", "description": "The API key, bare."}),
)


async def caller(
    request: Request,
    required: SecurityScopes,
    _bearer: Annotated[None, Security(_BEARER)],
    _header: Annotated[None, Security(_HEADER)],
) -> Principal:
    """Return the caller, if its scopes allow the operation. Raises ``InsufficientScope``."""
    return permitted(await _authenticate(request), *required.scopes)


async def caller_or_token(
    principal: Annotated[Principal, Security(caller)],
    _access_token: Annotated[
        str | None,
        Query(alias=STREAM_TOKEN, description="A stream token of this task, instead of other credentials."),
    ] = None,
) -> Principal:
    """Return the caller. For the API document: ``app.quotas.admission`` reads the token itself."""
    return principal


async def _authenticate(request: Request) -> Principal:
    return await IdentityParts.of(request).verifier.authenticate(request.scope)


async def rated(request: Request, principal: Annotated[Principal, Security(caller)]) -> Principal:
    """Return the caller, after its call was counted against the tenant's rate. The response reports what is left."""
    await _count(request, principal)
    return principal


async def _count(request: Request, principal: Principal) -> None:
    await IdentityParts.of(request).count_call(request, principal)


def permitted(principal: Principal, *required: str) -> Principal:
    """Return the caller if it has all these scopes. Raises ``InsufficientScope``."""
    if not principal.scopes.issuperset(required):
        needed = " ".join(required)
        raise InsufficientScope(
            f"This needs credentials with the scope {needed}.",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{needed}"'},
        )
    return principal


class CallerRoute(StrictRoute):
    """The ``route_class`` of routers with permissions: reads a body after the caller is known, counted and allowed."""

    @property
    def bounds(self) -> Bounds:
        """Return the largest size that a body may have, in bytes."""
        return SMALL

    async def before_body(self, request: Request) -> None:
        """Authenticate the caller, count the call and check the scopes, if the operation needs a caller."""
        # In this order: a call counts even if it is refused, and a stranger cannot make us read a body.
        if self.required_scopes is not None:
            principal = await _authenticate(request)
            await _count(request, principal)
            permitted(principal, *self.required_scopes)

    @cached_property
    def required_scopes(self) -> frozenset[str] | None:
        """The scopes that the operation needs; None if it needs no caller."""
        found = list(_scopes_of_callers(self.dependant))
        return frozenset().union(*found) if found else None


def _scopes_of_callers(dependant: Dependant) -> Iterator[Sequence[str]]:
    if dependant.call is caller:
        yield [*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())]
    for each in dependant.dependencies:
        yield from _scopes_of_callers(each)


def client_address(request: Request) -> str:
    """Return the address from which the connection came. Headers are ignored, because a client can write anything.

    Behind a proxy, uvicorn replaces the address for the proxies that it trusts (``--forwarded-allow-ips``).
    """
    return request.client.host if request.client else "unknown"


def acting(request: Request, principal: Principal) -> Actor:
    """Return the actor and its network address, for the audit log."""
    return principal.actor.at(client_address(request))


RATED: Final[Any] = Security(rated)
"""For a whole router: calls are counted before their permissions are checked, so a refused call counts too."""

TaskReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_READ])]
TaskWriter: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.TASKS_WRITE])]
WebhookManager: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.WEBHOOKS_MANAGE])]
KeyManager: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.KEYS_MANAGE])]
PortalCreator: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.PORTAL_CREATE])]
UsageReader: TypeAlias = Annotated[Principal, Security(rated, scopes=[scopes.USAGE_READ])]

UnratedCaller: TypeAlias = Annotated[Principal, Security(caller)]
"""Any caller, without counting the call. For calls that have another limit."""
