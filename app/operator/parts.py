"""The parts of the operator's process that its pages use."""

from dataclasses import dataclass
from typing import Any, Self

from starlette.requests import Request

from app.db import Database
from app.monitoring.readiness import ReadinessProbe
from app.stats.service_hours import ServiceHours


@dataclass(frozen=True, kw_only=True)
class OperatorParts:
    """The connections of the process, which are open while it runs."""

    database: Database
    """Connects as the role tq_admin."""
    readiness: ReadinessProbe
    hours: ServiceHours
    console_url: str
    """The address at which browsers reach the api; the console is under its ``/console``."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the parts of the app that answers the request."""
        parts: Self = request.scope["app"].parts
        return parts

    def attach(self, app: Any) -> None:
        """Store the parts in an app, where its pages find them."""
        app.parts = self
