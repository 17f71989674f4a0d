"""The table of the operator's pages and forms."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from app.operator import (
    endpoints_page,
    health_page,
    processes_page,
    queues_page,
    session_pages,
    tenant_page,
    tenants_page,
    workers_page,
)
from app.operator.visit import OperatorVisit


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """A page or a form: its method, its path, and whether it is open to visitors."""

    method: str
    under: str
    handler: Callable[[OperatorVisit], Awaitable[Response]]
    is_open: bool = False

    @property
    def path(self) -> str:
        """Return the template of the path, for the request log."""
        return self.under or "/"


PAGES: Final[Sequence[OperatorPage]] = (
    OperatorPage("GET", "", health_page.show),
    OperatorPage("GET", "/sign-in", session_pages.show, is_open=True),
    OperatorPage("GET", "/link/{secret}", session_pages.show_link, is_open=True),
    OperatorPage("POST", "/link/{secret}", session_pages.use_link, is_open=True),
    OperatorPage("POST", "/sign-out", session_pages.sign_out),
    OperatorPage("GET", "/tenants", tenants_page.show),
    OperatorPage("POST", "/tenants", tenants_page.create),
    OperatorPage("GET", "/tenants/{slug}", tenant_page.show),
    OperatorPage("POST", "/tenants/{slug}/plan", tenant_page.set_plan),
    OperatorPage("POST", "/tenants/{slug}/limit", tenant_page.set_limit),
    OperatorPage("POST", "/tenants/{slug}/suspend", tenant_page.suspend),
    OperatorPage("POST", "/tenants/{slug}/resume", tenant_page.resume),
    OperatorPage("POST", "/tenants/{slug}/enter", tenant_page.enter),
    OperatorPage("GET", "/queues", queues_page.show),
    OperatorPage("POST", "/queues/{slug}/pause", queues_page.pause),
    OperatorPage("POST", "/queues/{slug}/resume", queues_page.resume),
    OperatorPage("GET", "/workers", workers_page.show),
    OperatorPage("GET", "/processes", processes_page.show),
    OperatorPage("GET", "/endpoints", endpoints_page.show),
    OperatorPage("POST", "/endpoints/{slug}/{endpoint_id}/disable", endpoints_page.disable),
    OperatorPage("POST", "/endpoints/{slug}/{endpoint_id}/enable", endpoints_page.enable),
)
