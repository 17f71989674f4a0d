"""The forms that create a webhook endpoint and change one."""

from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from app.console import endpoint_form, endpoint_page
from app.console.form_models import checked
from app.console.forms import Form
from app.console.visit import Visit
from app.core.errors import IllegalState, InvalidRequest, LimitReached, Problem
from app.webhooks.endpoints import calls
from app.webhooks.endpoints.schemas import BOUNDS, Endpoint, EndpointChange, EndpointRequest, NewEndpoint

# Each byte may take three in a form.
_LIMIT: Final = 3 * BOUNDS.size


async def new(visit: Visit) -> Response:
    """Show the form of a new endpoint."""
    return _page(visit, endpoint_form.empty())


async def edit(visit: Visit) -> Response:
    """Show the form of an endpoint."""
    endpoint = await endpoint_page.find(visit)
    return _page(visit, endpoint_form.values_of(endpoint), endpoint)


def _page(
    visit: Visit, values: dict[str, Any], endpoint: Endpoint | None = None, error: Problem | None = None
) -> Response:
    return visit.page(
        "endpoint_form.html",
        200 if error is None else error.status,
        endpoint=endpoint,
        values=values,
        events=endpoint_form.EVENTS,
        error=error and error.detail,
        faults=[] if error is None else error.extensions.get("errors", []),
    )


async def create(visit: Visit) -> Response:
    """Create an endpoint, and show it; or the form again, with what is wrong."""
    form = await visit.form(limit=_LIMIT)
    try:
        endpoint_id = await _create(visit, form)
    except (InvalidRequest, LimitReached) as error:
        return _page(visit, endpoint_form.values(form), error=error)
    return visit.go(f"/webhooks/{endpoint_id}")


async def _create(visit: Visit, form: Form) -> UUID:
    wanted = checked(EndpointRequest, endpoint_form.body(form))
    answer = await calls.create_webhook_endpoint(visit.request, visit.principal, visit.parts, wanted)
    return NewEndpoint.model_validate_json(bytes(answer.body)).endpoint_id


async def change(visit: Visit) -> Response:
    """Change an endpoint, and show it; or the form again, with what is wrong."""
    form = await visit.form(limit=_LIMIT)
    endpoint = await endpoint_page.find(visit)
    try:
        wanted = checked(EndpointChange, endpoint_form.body(form))
        await calls.change_webhook_endpoint(visit.request, visit.principal, visit.parts, endpoint.endpoint_id, wanted)
    except (InvalidRequest, LimitReached, IllegalState) as error:
        return _page(visit, endpoint_form.values(form), endpoint, error)
    return visit.go(f"/webhooks/{endpoint.endpoint_id}")
