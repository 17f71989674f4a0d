"""The parts of the API process that check callers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from app.http.parts import Parts
from app.identity.principal import Principal
from app.identity.verify import Verifier


@dataclass(frozen=True, kw_only=True)
class IdentityParts(Parts):
    """The parts that routes with a caller use."""

    verifier: Verifier
    count_call: Callable[[Request, Principal], Awaitable[None]]
    """Counts a call against the tenant's rate. A room above this one keeps the rates."""
