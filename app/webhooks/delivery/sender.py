"""Send one HTTP request to an allowed address, within limits of time and size. No other module sends HTTP."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import UUID

from app.webhooks import urls
from app.webhooks.addresses import Address, Network
from app.webhooks.delivery.pinned_transport import Meter, PinnedTransport
from app.webhooks.delivery.resolver import Resolver
from app.webhooks.http import httpx

USER_AGENT: Final = "TaskQueueWorker-Webhooks/1.0"

_CONNECT_TIMEOUT: Final = 3.0
_DEADLINE: Final = 15.0
_DRAIN_TIMEOUT: Final = 2.0
_HEAD_BYTES: Final = 32_768
_BODY_BYTES: Final = 32_768
_BODY_PIECES: Final = 512
_STRUGGLING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

# One text for a name that is unknown, slow, private or half private: a tenant learns nothing of our network.
NO_ADDRESS: Final = "The host name has no address that webhooks are sent to. Use a host on the internet."
_REDIRECT: Final = "Redirects are not followed. Use the URL that it leads to."


@dataclass(frozen=True, slots=True)
class DeliveryResponse:
    """The endpoint's response to one attempt, or the reason why there is none."""

    status: int | None
    """None: there was no answer, and ``error`` says why."""
    error: str | None = None
    retry_after: str | None = None
    """The header, as it was sent."""

    @property
    def is_keeping_up(self) -> bool:
        """Tell whether the endpoint answers, and does not say that it is overloaded."""
        return self.status is not None and self.status not in _STRUGGLING


class Sender:
    """Sends for one process; it keeps nothing from one request to the next."""

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        resolver: Resolver | None = None,
        context: ssl.SSLContext | None = None,
        deadline: float = _DEADLINE,
    ) -> None:
        """``allowed`` networks get webhooks though they are not public; the rest is for other surroundings."""
        self._allowed = allowed
        self._resolver = resolver or Resolver()
        self._context = context or httpx.create_ssl_context(trust_env=False)
        self._deadline = deadline

    async def post(self, tenant_id: UUID, url: str, headers: Mapping[str, str], body: bytes) -> DeliveryResponse:
        """Send one request; every fault is an answer, and a text that the tenant may read.

        Raises ``NoThreadError`` where the host name could not be looked up yet: nothing was sent.
        """
        if objection := urls.validation_error(url, self._allowed):
            return DeliveryResponse(None, objection)
        try:
            return await self._post(tenant_id, _request(url, headers, body))
        except TimeoutError:
            return DeliveryResponse(None, f"There was no answer within {self._deadline:g} s.")
        except (httpx.TransportError, OSError) as fault:
            return DeliveryResponse(None, _describe(fault))

    async def _post(self, tenant_id: UUID, request: httpx.Request) -> DeliveryResponse:
        deadline = asyncio.get_running_loop().time() + self._deadline
        async with asyncio.timeout_at(deadline):
            addresses = await self._addresses(tenant_id, request.url)
        if not addresses:
            return DeliveryResponse(None, NO_ADDRESS)
        meter = Meter(_HEAD_BYTES)
        async with PinnedTransport(self._context, addresses, meter) as transport:
            async with asyncio.timeout_at(deadline):
                response = await transport.handle_async_request(request)
            meter.left = _BODY_BYTES
            await _drain(response, deadline)
        return _answer(response)

    async def _addresses(self, tenant_id: UUID, url: httpx.URL) -> Sequence[Address]:
        host = url.raw_host.decode("ascii")
        if known := urls.literal(host):
            return [address for address in known if urls.may_go_to(url, address, self._allowed)]
        try:
            found = await self._resolver.addresses(tenant_id, host)
        except TimeoutError:
            return ()
        # One forbidden address is enough to refuse the name: its owner chooses which one a connection would take.
        return found if all(urls.may_go_to(url, address, self._allowed) for address in found) else ()


def _request(url: str, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    return httpx.Request(
        "POST",
        url,
        headers={
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        },
        content=body,
        # Reading and writing are bounded by the deadline: a limit for each read never ends an answer that drips.
        extensions={"timeout": {"connect": _CONNECT_TIMEOUT}},
    )


async def _drain(response: httpx.Response, deadline: float) -> None:
    # The status has decided already. The body is read because some servers fail when their answer is cut off.
    pieces = 0
    until = min(deadline, asyncio.get_running_loop().time() + _DRAIN_TIMEOUT)
    with suppress(httpx.TransportError, OSError):
        async with asyncio.timeout_at(until):
            async for _ in response.aiter_raw():
                pieces += 1
                if pieces >= _BODY_PIECES:
                    break
    await response.aclose()


def _answer(response: httpx.Response) -> DeliveryResponse:
    error = _REDIRECT if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST else None
    return DeliveryResponse(response.status_code, error, response.headers.get("Retry-After"))


def _describe(fault: Exception) -> str:
    match fault:
        case httpx.ConnectTimeout():
            return f"There was no connection within {_CONNECT_TIMEOUT:g} s."
        case httpx.ConnectError():
            return _describe_refusal(fault)
        case httpx.RemoteProtocolError():
            return "The answer was not HTTP, or it ended early."
        case _:
            return "The connection broke before there was an answer."


def _describe_refusal(fault: httpx.ConnectError) -> str:
    cause = fault.__cause__.args[0] if fault.__cause__ and fault.__cause__.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid for this host: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "There was no TLS connection."
    return "The connection was refused."
