"""The webhook endpoints of the tenant, how deliveries to them went in the last 24 hours, and its own secret."""

import asyncio
from typing import Final
from uuid import UUID

from starlette.responses import Response

from app.console.form_models import checked
from app.console.forms import Form
from app.console.visit import Visit
from app.identity.scopes import WEBHOOKS_MANAGE
from app.webhooks.endpoints import calls
from app.webhooks.endpoints.schemas import EndpointPage, RotateSecretRequest, SigningSecret
from app.webhooks.history import metrics

_PAGE_SIZE: Final = 50
OVERLAPS: Final = {86_400: "1 day", 3_600: "1 hour", 604_800: "7 days", 0: "no time"}
"""The times for which an old secret may sign beside its successor, in seconds, for people. The first is the default."""


async def show(visit: Visit) -> Response:
    """Show the endpoints, newest first."""
    cursor = visit.request.query_params.get("cursor")
    answer, days = await asyncio.gather(
        calls.list_webhook_endpoints(visit.request, visit.principal, visit.parts, limit=_PAGE_SIZE, cursor=cursor),
        metrics.last_day(visit.parts.reader, visit.tenant_id),
    )
    found = EndpointPage.model_validate_json(bytes(answer.body))
    return visit.page(
        "webhooks.html",
        endpoints=found.items,
        next_cursor=found.next_cursor,
        is_first=cursor is None,
        days=days,
        no_day=metrics.DayOfDeliveries(),
        overlaps=OVERLAPS,
        may_act=visit.may(WEBHOOKS_MANAGE),
    )


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
