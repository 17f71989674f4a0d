"""The table of the calls about endpoints and secrets. ``app.http.operation`` describes its entries."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    LimitReached,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    TooManyLists,
    Unavailable,
    UnsupportedMediaType,
)
from app.http.operation import Answer, Operation
from app.identity.scopes import WEBHOOKS_MANAGE, WEBHOOKS_READ
from app.quotas.admission import CALLS
from app.webhooks.endpoints import calls
from app.webhooks.endpoints.schemas import BOUNDS, Endpoint, EndpointPage, EndpointTest, NewEndpoint, SigningSecret

_BODY: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType, InvalidRequest)
_ENDPOINTS: Final = "/api/webhooks/endpoints"
_ENDPOINT: Final = f"{_ENDPOINTS}/{{endpoint_id}}"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        method="POST",
        path=_ENDPOINTS,
        handler=calls.create_webhook_endpoint,
        summary="Create a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        bounds=BOUNDS,
        answers={201: Answer(NewEndpoint, headers=["Location"])},
        problems=[*_BODY, LimitReached],
    ),
    Operation(
        method="GET",
        path=_ENDPOINTS,
        handler=calls.list_webhook_endpoints,
        summary="List webhook endpoints",
        scope=WEBHOOKS_READ,
        rate=CALLS,
        answers={200: Answer(EndpointPage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="GET",
        path=_ENDPOINT,
        handler=calls.get_webhook_endpoint,
        summary="Get a webhook endpoint",
        scope=WEBHOOKS_READ,
        rate=CALLS,
        answers={200: Answer(Endpoint)},
        problems=[NotFound],
    ),
    Operation(
        method="PATCH",
        path=_ENDPOINT,
        handler=calls.change_webhook_endpoint,
        summary="Change a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        bounds=BOUNDS,
        answers={200: Answer(Endpoint)},
        problems=[*_BODY, NotFound, IllegalState, LimitReached],
    ),
    Operation(
        method="DELETE",
        path=_ENDPOINT,
        handler=calls.delete_webhook_endpoint,
        summary="Delete a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={204: Answer(None)},
        problems=[NotFound],
    ),
    Operation(
        method="GET",
        path=f"{_ENDPOINT}/secret",
        handler=calls.get_webhook_endpoint_secret,
        summary="Get the secret of a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={200: Answer(SigningSecret)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path=f"{_ENDPOINT}/rotate-secret",
        handler=calls.rotate_webhook_endpoint_secret,
        summary="Replace the secret of a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={200: Answer(SigningSecret)},
        problems=[*_BODY, NotFound, IllegalState, LimitReached],
    ),
    Operation(
        method="POST",
        path=f"{_ENDPOINT}/test",
        handler=calls.test_webhook_endpoint,
        summary="Send an example to a webhook endpoint",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={200: Answer(EndpointTest)},
        problems=[*_BODY, NotFound, LimitReached, Unavailable],
    ),
    Operation(
        method="GET",
        path="/api/webhooks/secret",
        handler=calls.get_webhook_secret,
        summary="Get the secret of webhook_url",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={200: Answer(SigningSecret)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/webhooks/secret/rotate",
        handler=calls.rotate_webhook_secret,
        summary="Replace the secret of webhook_url",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers={200: Answer(SigningSecret)},
        problems=[*_BODY, IllegalState, LimitReached],
    ),
)
