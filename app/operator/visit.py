"""One request to the operator's pages: which operator makes it, and what its page needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from app.accounts.operator_sessions import SignedInOperator
from app.console import rendering
from app.console.web_visit import WebVisit
from app.core.errors import Unauthenticated
from app.identity.dependencies import client_address
from app.identity.principal import Actor
from app.operator.parts import OperatorParts

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(slots=True)
class OperatorVisit(WebVisit):
    """A request and the operator who makes it."""

    # Its own first: the frame of a page, tables and icons are the console's.
    templates: ClassVar[tuple[Path, ...]] = (_TEMPLATES, rendering.FOLDER)
    theme_cookie: ClassVar[str] = "operator-theme"

    found: SignedInOperator | None = None

    @property
    def session_id(self) -> UUID | None:
        """Return the id of the session; None for a visitor."""
        return None if self.found is None else self.found.session_id

    @property
    def parts(self) -> OperatorParts:
        """Return the parts of the process."""
        return OperatorParts.of(self.request)

    @property
    def operator(self) -> SignedInOperator:
        """Return the operator. Raises ``Unauthenticated`` for a visitor."""
        if self.found is None:
            raise Unauthenticated("Sign in first: scripts/admin console-link --operator makes a link.")
        return self.found

    @property
    def address(self) -> str:
        """Return the network address of the browser."""
        return client_address(self.request)

    @property
    def actor(self) -> Actor:
        """Return the actor for the audit log."""
        return Actor("operator", self.operator.name, self.address)

    def values(self) -> dict[str, Any]:
        """Return the values that the templates of every page use."""
        # Zero-argument super() does not work in a dataclass with slots, which is made a second time.
        return WebVisit.values(self) | {"operator": self.found}
