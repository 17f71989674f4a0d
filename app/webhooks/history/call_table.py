"""The table of the calls about deliveries. ``app.http.operation`` describes the entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import IllegalState, InvalidCursor, InvalidRequest, NotFound, TooManyLists
from app.http.operation import Answer, Operation
from app.identity.scopes import WEBHOOKS_MANAGE, WEBHOOKS_READ
from app.quotas.admission import CALLS
from app.webhooks.history import calls
from app.webhooks.history.metric_schemas import DeliveryMetrics
from app.webhooks.history.schemas import DeliveryAgain, DeliveryDetail, DeliveryPage

DELIVERY_CALLS: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/api/webhooks/deliveries",
        handler=calls.list_deliveries,
        summary="List deliveries",
        scope=WEBHOOKS_READ,
        rate=CALLS,
        answers={200: Answer(DeliveryPage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="GET",
        path="/api/webhooks/deliveries/{delivery_id}",
        handler=calls.get_delivery,
        summary="Get a delivery",
        scope=WEBHOOKS_READ,
        rate=CALLS,
        answers={200: Answer(DeliveryDetail)},
        problems=[NotFound, TooManyLists],
    ),
    Operation(
        method="POST",
        path="/api/webhooks/deliveries/{delivery_id}/resend",
        handler=calls.resend_delivery,
        summary="Send a delivery again",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={202: Answer(DeliveryAgain)},
        problems=[NotFound, IllegalState],
    ),
    Operation(
        method="GET",
        path="/api/webhooks/metrics",
        handler=calls.get_delivery_metrics,
        summary="Count deliveries over time",
        scope=WEBHOOKS_READ,
        rate=CALLS,
        answers={200: Answer(DeliveryMetrics)},
        problems=[InvalidRequest, TooManyLists],
    ),
)
