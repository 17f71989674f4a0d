"""The webhook endpoints of the tenant, how deliveries to them went in the last 24 hours, and its own secret."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from starlette.responses import Response

from app.console.form_models import checked
from app.console.forms import Form
from app.console.visit import Visit
from app.core.errors import InvalidRequest
from app.identity.scopes import WEBHOOKS_MANAGE
from app.webhooks.endpoints import calls
from app.webhooks.endpoints.schemas import EndpointPage, RotateSecretRequest, SigningSecret
from app.webhooks.history import calls as history_calls

_PAGE_SIZE: Final = 50
OVERLAPS: Final = {86_400: "1 day", 3_600: "1 hour", 604_800: "7 days", 0: "no time"}
"""The times for which an old secret may sign beside its successor, in seconds, for people. The first is the default."""


class DayOfDeliveries(NamedTuple):
    """The attempts of the last 24 hours that one endpoint got."""

    deliveries: int = 0
    attempts: int = 0
    failures: int = 0


async def show(visit: Visit) -> Response:
    """Show the endpoints, newest first."""
    cursor = visit.request.query_params.get("cursor")
    answer, days = await asyncio.gather(
        calls.list_webhook_endpoints(visit.request, visit.principal, visit.parts, limit=_PAGE_SIZE, cursor=cursor),
        last_day(visit),
    )
    found = EndpointPage.model_validate_json(bytes(answer.body))
    return visit.page(
        "webhooks.html",
        endpoints=found.items,
        next_cursor=found.next_cursor,
        is_first=cursor is None,
        days=days,
        no_day=DayOfDeliveries(),
        overlaps=OVERLAPS,
        may_act=visit.may(WEBHOOKS_MANAGE),
    )


async def last_day(visit: Visit) -> Mapping[UUID | None, DayOfDeliveries]:
    """Return the last 24 hours by endpoint; those of the ``webhook_url`` of tasks are under None.

    Nothing is returned for a tenant with so much that the API does not add it up either.
    """
    try:
        found = await history_calls.get_delivery_metrics(visit.principal, visit.parts, by="endpoint")
    except InvalidRequest:
        return {}
    days: dict[UUID | None, DayOfDeliveries] = defaultdict(DayOfDeliveries)
    for item in found.items:
        day = days[item.endpoint_id]
        days[item.endpoint_id] = DayOfDeliveries(
            day.deliveries + item.first_attempts, day.attempts + item.attempts, day.failures + item.failures
        )
    return days


async def show_secret(visit: Visit) -> Response:
    """Show the secret that signs requests to the ``webhook_url`` of tasks."""
    await visit.form()
    return secret_page(visit, await calls.get_webhook_secret(visit.principal, visit.parts))


async def rotate_secret(visit: Visit) -> Response:
    """Replace that secret, and show the new one."""
    wanted = overlap(await visit.form())
    return secret_page(visit, await calls.rotate_webhook_secret(visit.request, visit.principal, visit.parts, wanted))


def overlap(form: Form) -> RotateSecretRequest:
    """Return the request for a new secret. Raises ``InvalidRequest``."""
    text = form.get("overlap_seconds")
    known = {str(seconds): seconds for seconds in OVERLAPS}
    # An unknown text goes to the model, which refuses it in the words of the API.
    return checked(RotateSecretRequest, {"overlap_seconds": known.get(text, text)})


def secret_page(visit: Visit, answer: Response, endpoint_id: UUID | None = None, url: str = "") -> Response:
    """Return the page with a secret, from the answer of the API."""
    found = SigningSecret.model_validate_json(bytes(answer.body))
    return visit.page("webhook_secret.html", secret=found, endpoint_id=endpoint_id, url=url)
