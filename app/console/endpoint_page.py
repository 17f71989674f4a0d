"""One webhook endpoint: how it does, its deliveries, and what can be done with it."""

import asyncio
from datetime import UTC, datetime

from starlette.responses import Response

from app.console import deliveries_page, endpoint_form, forms, webhooks_page
from app.console.form_models import checked
from app.console.task_filters import WITHIN
from app.console.visit import Visit
from app.core.errors import InvalidRequest
from app.identity.scopes import WEBHOOKS_MANAGE
from app.operations import webhook_calls
from app.operations.webhook_schemas import RecoverRequest, ReplayMissingRequest
from app.webhooks.endpoints import calls
from app.webhooks.endpoints.schemas import Endpoint, EndpointChange, EndpointTestRequest
from app.webhooks.history import metrics


async def find(visit: Visit) -> Endpoint:
    """Return the endpoint that the path names. Raises ``NotFound``."""
    return await calls.get_webhook_endpoint(visit.principal, visit.parts, visit.id_of("endpoint_id", "endpoint"))


async def show(visit: Visit) -> Response:
    """Show the endpoint with its deliveries, newest first."""
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    endpoint, days, deliveries = await asyncio.gather(
        find(visit),
        metrics.last_day(visit.parts.reader, visit.tenant_id, endpoint_id),
        deliveries_page.read(visit, endpoint_id),
    )
    return visit.page(
        "endpoint.html",
        endpoint=endpoint,
        day=days.get(endpoint.endpoint_id, metrics.DayOfDeliveries()),
        events=endpoint_form.EVENTS,
        overlaps=webhooks_page.OVERLAPS,
        within=WITHIN,
        may_replay=bool(visit.limits.event_hours),
        may_act=visit.may(WEBHOOKS_MANAGE),
        **deliveries,
    )


async def switch(visit: Visit) -> Response:
    """Enable or disable the endpoint."""
    form = await visit.form()
    is_enabled = {"enable": True, "disable": False}.get(form.get("action"))
    if is_enabled is None:
        raise InvalidRequest("Choose enable or disable.")
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    change = EndpointChange.model_validate({"enabled": is_enabled})
    await calls.change_webhook_endpoint(visit.request, visit.principal, visit.parts, endpoint_id, change)
    return visit.go(f"/webhooks/{endpoint_id}")


async def delete(visit: Visit) -> Response:
    """Delete the endpoint."""
    await visit.form()
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    await calls.delete_webhook_endpoint(visit.request, visit.principal, visit.parts, endpoint_id)
    return visit.go("/webhooks")


async def show_secret(visit: Visit) -> Response:
    """Show the secret that signs requests to the endpoint."""
    await visit.form()
    endpoint = await find(visit)
    answer = await calls.get_webhook_endpoint_secret(visit.principal, visit.parts, endpoint.endpoint_id)
    return webhooks_page.secret_page(visit, answer, endpoint.endpoint_id, endpoint.url)


async def rotate_secret(visit: Visit) -> Response:
    """Replace the secret of the endpoint, and show the new one."""
    wanted = webhooks_page.overlap(await visit.form())
    endpoint = await find(visit)
    answer = await calls.rotate_webhook_endpoint_secret(
        visit.request, visit.principal, visit.parts, endpoint.endpoint_id, wanted
    )
    return webhooks_page.secret_page(visit, answer, endpoint.endpoint_id, endpoint.url)


async def send_test(visit: Visit) -> Response:
    """Send an example to the endpoint, and show its answer."""
    form = await visit.form()
    wanted = checked(EndpointTestRequest, {"type": form.get("type") or None})
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    answer = await calls.test_webhook_endpoint(visit.request, visit.principal, visit.parts, endpoint_id, wanted)
    # A test is a delivery, so its page has the answer.
    return visit.go(f"/webhooks/deliveries/{answer.delivery_id}")


async def recover(visit: Visit) -> Response:
    """Send the failed deliveries since a time again, and show the progress."""
    wanted = checked(RecoverRequest, _since(await visit.form()))
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    return _begun(
        visit, await webhook_calls.recover_endpoint(visit.request, visit.principal, visit.parts, endpoint_id, wanted)
    )


async def replay_missing(visit: Visit) -> Response:
    """Send the events that the endpoint has missed since a time, and show the progress."""
    wanted = checked(ReplayMissingRequest, _since(await visit.form()))
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    return _begun(
        visit, await webhook_calls.replay_missing(visit.request, visit.principal, visit.parts, endpoint_id, wanted)
    )


def _since(form: forms.Form) -> dict[str, str]:
    return {"since": endpoint_form.since(form.get("since"), datetime.now(UTC))}


def _begun(visit: Visit, answer: Response) -> Response:
    return visit.go(f"/operations/{answer.headers['Location'].rpartition('/')[2]}")
