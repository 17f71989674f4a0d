"""Permissions as parameter types: ``principal: TaskWriter``."""

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from app.core.errors import InsufficientScope, InvalidCredentials, Unauthenticated
from app.identity import scopes
from app.identity.principal import Actor, Principal
from app.identity.verify import refused

if TYPE_CHECKING:
    from app.identity.verify import Verifier

_REALM: Final = 'Bearer realm="task-queue"'
_BEARER: Final = HTTPBearer(
    scheme_name="bearer", description="`Authorization: Bearer <API key | JWT>`", auto_error=False
)
_HEADER: Final = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", description="The API key, bare.", auto_error=False
)


async def credential(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> str:
    """Return the one credential that was sent."""
    # Two that differ may be read differently by a proxy and by us: neither is taken.
    if len(request.headers.getlist("authorization") + request.headers.getlist("x-api-key")) > 1:
        raise InvalidCredentials(
            "Credentials were sent more than once. Send one Authorization header or one X-API-Key header.",
            headers={"WWW-Authenticate": f'{_REALM}, error="invalid_request"'},
        )
    found = bearer.credentials if bearer else header
    if not found:
        detail = "Send an API key or a token as Authorization: Bearer <…>, or an API key as X-API-Key."
        raise Unauthenticated(detail, headers={"WWW-Authenticate": _REALM})
    if not bearer and "." in found:
        # A token, which this header does not take: no key has a dot.
        raise refused()
    return found


async def caller(request: Request, required: SecurityScopes, sent: Annotated[str, Security(credential)]) -> Principal:
    """Return who is calling, where the scopes allow the operation; the request's log line names the tenant."""
    verifier: Verifier = request.app.state.verifier
    principal = await verifier.verify(sent)
    request.scope.setdefault("state", {})["principal"] = principal
    if not principal.scopes.issuperset(required.scopes):
        raise InsufficientScope(
            f"This needs credentials with the scope {required.scope_str}.",
            headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{required.scope_str}"'},
        )
    return principal


def client_address(request: Request) -> str:
    """Return the address that the connection came from; a header may say anything and is not asked.

    Behind a proxy the server is told which one to trust (uvicorn ``--forwarded-allow-ips``).
    """
    return request.client.host if request.client else "unknown"


def acting(request: Request, principal: Principal) -> Actor:
    """Return who acts and from where, for the audit."""
    return principal.actor.at(client_address(request))


Caller: TypeAlias = Annotated[Principal, Security(caller)]
TaskReader: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.TASKS_READ])]
TaskWriter: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.TASKS_WRITE])]
WebhookManager: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.WEBHOOKS_MANAGE])]
KeyManager: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.KEYS_MANAGE])]
UsageReader: TypeAlias = Annotated[Principal, Security(caller, scopes=[scopes.USAGE_READ])]
