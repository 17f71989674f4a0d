"""One request to the console: who makes it, and what its page needs."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from app.accounts.parts import AccountParts
from app.console.web_visit import WebVisit
from app.core.errors import InsufficientScope, Unauthenticated
from app.identity.dependencies import acting
from app.identity.principal import Actor, Principal, Session
from app.identity.scopes import KEYS_MANAGE, TASKS_WRITE
from app.operations.parts import OperationParts
from app.schedules.parts import ScheduleParts
from app.tenants import plans
from app.tenants.plans import Limits
from app.webhooks.endpoints.parts import WebhookParts


class ConsoleParts(ScheduleParts, OperationParts, AccountParts, WebhookParts):
    """The parts of the process that the console uses. All of them are open in every api process."""


@dataclass(slots=True)
class Visit(WebVisit):
    """A request, its caller and its session. ``base`` is the path of the console, under which all its pages are."""

    caller: Principal | None = None

    @property
    def session_id(self) -> UUID | None:
        """Return the id of the session; None for a visitor."""
        return None if self.caller is None else self.session.id

    @property
    def paced_tenant_id(self) -> UUID | None:
        """Return the tenant of the session; None for a visitor."""
        return None if self.caller is None else self.caller.tenant_id

    @property
    def parts(self) -> ConsoleParts:
        """Return the parts of the process."""
        # Each part is declared by the room that owns it; the running process has them in one object.
        return cast("ConsoleParts", ScheduleParts.of(self.request))

    @property
    def principal(self) -> Principal:
        """Return the caller. Raises ``Unauthenticated`` for a visitor."""
        if self.caller is None:
            raise Unauthenticated("Sign in first.")
        return self.caller

    @property
    def session(self) -> Session:
        """Return the session of the caller."""
        session = self.principal.session
        assert session is not None  # noqa: S101 every caller of the console has one
        return session

    @property
    def tenant_id(self) -> UUID:
        """Return the tenant's id."""
        return self.principal.tenant_id

    @property
    def limits(self) -> Limits:
        """Return the effective limits of the tenant."""
        return plans.limits_of(self.principal)

    @property
    def actor(self) -> Actor:
        """Return the actor for the audit log."""
        return acting(self.request, self.principal)

    def may(self, scope: str) -> bool:
        """Return whether the caller has a scope."""
        return self.caller is not None and scope in self.caller.scopes

    def require(self, *scopes: str) -> None:
        """Raise ``InsufficientScope`` unless the caller has all these scopes."""
        if not self.principal.scopes.issuperset(scopes):
            raise InsufficientScope("Your role does not allow this. Ask an owner of the tenant.")

    def values(self) -> dict[str, Any]:
        """Return the values that the templates of every page use."""
        # Zero-argument super() does not work in a dataclass with slots, which is made a second time.
        return WebVisit.values(self) | {
            "caller": self.caller,
            "may_write": self.may(TASKS_WRITE),
            "may_manage": self.may(KEYS_MANAGE),
        }
