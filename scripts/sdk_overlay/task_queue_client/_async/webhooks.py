"""Webhook endpoints, deliveries and secrets: ``client.webhooks``."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal, Unpack
from uuid import UUID

from task_queue_client.calls import Call, identifier, keyed
from task_queue_client.models import (
    DeliveryAgain,
    DeliveryDetail,
    DeliveryFilter,
    DeliveryMetrics,
    DeliveryPage,
    DeliverySummary,
    Endpoint,
    EndpointChange,
    EndpointPage,
    EndpointRequest,
    EndpointTest,
    NewEndpoint,
    OperationAccepted,
    RecoverRequest,
    ReplayMissingRequest,
    ResendFilter,
    RotateSecretRequest,
    SigningSecret,
)

from .account import Room
from .handles import AsyncOperationHandle
from .paging import pages
from .transport import AsyncTransport


class AsyncEndpoints(Room):
    """The endpoints of the tenant: ``client.webhooks.endpoints``."""

    def list(self, *, page_size: int = 100) -> AsyncIterator[Endpoint]:
        """Iterate over the endpoints."""
        call = Call[EndpointPage]("list_webhook_endpoints", EndpointPage, query={"limit": page_size})
        return pages(self._transport, call, "cursor")

    async def create(self, **request: Unpack[EndpointRequest]) -> NewEndpoint:
        """Create an endpoint. ``secret`` of the answer is what you verify its webhooks with; it is in no ``repr``."""
        return await self._transport.call(Call("create_webhook_endpoint", NewEndpoint, body=dict(request)))

    async def get(self, endpoint_id: UUID | str) -> Endpoint:
        """Return an endpoint."""
        return await self._transport.call(Call("get_webhook_endpoint", Endpoint, path=_path(endpoint_id)))

    async def change(self, endpoint_id: UUID | str, **changes: Unpack[EndpointChange]) -> Endpoint:
        """Change an endpoint, or disable it; what is missing stays as it is."""
        call = Call[Endpoint]("change_webhook_endpoint", Endpoint, path=_path(endpoint_id), body=dict(changes))
        return await self._transport.call(call)

    async def delete(self, endpoint_id: UUID | str) -> None:
        """Delete an endpoint."""
        await self._transport.call(Call[None]("delete_webhook_endpoint", None, path=_path(endpoint_id)))

    async def secret(self, endpoint_id: UUID | str) -> SigningSecret:
        """Return the secret that signs what an endpoint is sent."""
        return await self._transport.call(Call("get_webhook_endpoint_secret", SigningSecret, path=_path(endpoint_id)))

    async def rotate_secret(self, endpoint_id: UUID | str, **request: Unpack[RotateSecretRequest]) -> SigningSecret:
        """Replace the secret of an endpoint; both sign for ``overlap_seconds``."""
        path, body = _path(endpoint_id), dict(request)
        return await self._transport.call(Call("rotate_webhook_endpoint_secret", SigningSecret, path=path, body=body))

    async def test(self, endpoint_id: UUID | str, *, type: str | None = None) -> EndpointTest:  # noqa: A002  # its name
        """Send an example to an endpoint, and return what it answered."""
        body = {} if type is None else {"type": type}
        call = Call[EndpointTest]("test_webhook_endpoint", EndpointTest, path=_path(endpoint_id), body=body)
        return await self._transport.call(call)

    async def recover(
        self, endpoint_id: UUID | str, *, idempotency_key: str | None = None, **request: Unpack[RecoverRequest]
    ) -> AsyncOperationHandle:
        """Send all deliveries to an endpoint that failed since a time again, in the background."""
        return await begin(self._transport, "recover_endpoint", request, idempotency_key, _path(endpoint_id))

    async def replay_missing(
        self, endpoint_id: UUID | str, *, idempotency_key: str | None = None, **request: Unpack[ReplayMissingRequest]
    ) -> AsyncOperationHandle:
        """Send all events since a time that an endpoint was never sent, in the background."""
        return await begin(self._transport, "replay_missing", request, idempotency_key, _path(endpoint_id))


class AsyncDeliveries(Room):
    """What was sent, and how it was answered: ``client.webhooks.deliveries``."""

    def list(self, *, page_size: int = 100, **filters: Unpack[DeliveryFilter]) -> AsyncIterator[DeliverySummary]:
        """Iterate over the deliveries, newest first."""
        call = Call[DeliveryPage]("list_deliveries", DeliveryPage, query={**filters, "limit": page_size})
        return pages(self._transport, call, "cursor")

    async def get(self, delivery_id: UUID | str) -> DeliveryDetail:
        """Return a delivery with its attempts."""
        path = {"delivery_id": identifier(delivery_id)}
        return await self._transport.call(Call("get_delivery", DeliveryDetail, path=path))

    async def resend(self, delivery_id: UUID | str) -> DeliveryAgain:
        """Send a delivery again, with the same webhook id."""
        path = {"delivery_id": identifier(delivery_id)}
        return await self._transport.call(Call("resend_delivery", DeliveryAgain, path=path))

    async def resend_many(
        self, *, idempotency_key: str | None = None, **chosen: Unpack[ResendFilter]
    ) -> AsyncOperationHandle:
        """Send all deliveries that meet every filter again, in the background."""
        return await begin(self._transport, "resend_deliveries", {"filter": dict(chosen)}, idempotency_key)


class AsyncWebhooks(Room):
    """Webhooks: what is sent, where to, and signed with what."""

    def __init__(self, transport: AsyncTransport) -> None:
        """Made by the client."""
        super().__init__(transport)
        self.endpoints = AsyncEndpoints(transport)
        self.deliveries = AsyncDeliveries(transport)

    async def secret(self) -> SigningSecret:
        """Return the secret that signs the webhooks to the ``webhook_url`` of a submit."""
        return await self._transport.call(Call("get_webhook_secret", SigningSecret))

    async def rotate_secret(self, **request: Unpack[RotateSecretRequest]) -> SigningSecret:
        """Replace that secret; both sign for ``overlap_seconds``."""
        return await self._transport.call(Call("rotate_webhook_secret", SigningSecret, body=dict(request)))

    async def metrics(
        self,
        first: datetime | str | None = None,
        last: datetime | str | None = None,
        *,
        bucket: Literal["minute", "hour", "day"] = "hour",
        by: Literal["endpoint", "type", "status"] | None = None,
    ) -> DeliveryMetrics:
        """Return how many deliveries succeeded and failed, and how long they took: a point for each bucket."""
        query = {"from": first, "to": last, "bucket": bucket, "by": by}
        return await self._transport.call(Call("get_delivery_metrics", DeliveryMetrics, query=query))


async def begin(
    transport: AsyncTransport,
    operation: str,
    body: Mapping[str, Any],
    key: str | None,
    path: Mapping[str, str] | None = None,
) -> AsyncOperationHandle:
    """Begin an act in the background; return a handle on it."""
    call = Call[OperationAccepted](operation, OperationAccepted, path=path or {}, body=dict(body), headers=keyed(key))
    return AsyncOperationHandle(transport, (await transport.call(call)).operation_id)


def _path(endpoint_id: UUID | str) -> Mapping[str, str]:
    return {"endpoint_id": identifier(endpoint_id)}
