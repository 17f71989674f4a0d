"""Send one delivery: its body is POSTed, and the status of the answer counts."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import UUID

from app.core import sanitize
from app.outbound import exchange
from app.outbound.destinations import Destinations
from app.outbound.exchange import FAULTS, Exchanges, NoAddressError
from app.outbound.http import httpx
from app.outbound.resolver import Resolver

USER_AGENT: Final = "TaskQueueWorker-Webhooks/1.0"

_DEADLINE: Final = 15.0
_DRAIN_TIMEOUT: Final = 2.0
_BODY_BYTES: Final = 32_768
_BODY_PIECES: Final = 512
_KEPT_BYTES: Final = 4_096
_STRUGGLING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

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
    body: str | None = None
    """The first 4 KiB of the answer's body; None if there was no answer, or it was empty."""

    @property
    def is_keeping_up(self) -> bool:
        """Tell whether the endpoint answers, and does not say that it is overloaded."""
        return self.status is not None and self.status not in _STRUGGLING


class Sender:
    """Sends for one process."""

    def __init__(
        self,
        destinations: Destinations,
        *,
        resolver: Resolver | None = None,
        context: ssl.SSLContext | None = None,
        deadline: float = _DEADLINE,
        keeps_connections: bool = False,
    ) -> None:
        """``destinations`` judge where a webhook may go. One that keeps connections is to be closed at the end.

        The rest is for other surroundings.
        """
        self._destinations = destinations
        self._exchanges = Exchanges(destinations.may_go_to, resolver=resolver, context=context)
        self._deadline = deadline
        # The next event for the same receiver often follows at once.
        self._connection = "keep-alive" if keeps_connections else "close"

    async def post(
        self, tenant_id: UUID, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float | None = None
    ) -> DeliveryResponse:
        """Send one request; every fault is an answer, and a text that the tenant may read.

        ``deadline`` is in seconds, and replaces that of the process if it is shorter.
        Raises ``NoThreadError`` where the host name could not be looked up yet: nothing was sent.
        """
        # Checked again with each attempt: the operator may have changed the rules since the URL was stored.
        if objection := self._destinations.validation_error(url):
            return DeliveryResponse(None, objection)
        seconds = self._deadline if deadline is None else min(deadline, self._deadline)
        all_headers = {"Content-Type": "application/json", "Connection": self._connection, **headers}
        try:
            request = exchange.request("POST", url, all_headers, body, user_agent=USER_AGENT)
            return await self._send(tenant_id, request, seconds)
        except NoAddressError:
            return DeliveryResponse(None, NO_ADDRESS)
        except TimeoutError:
            return DeliveryResponse(None, f"There was no answer within {seconds:g} s.")
        except FAULTS as fault:
            return DeliveryResponse(None, exchange.describe(fault))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._exchanges.close()

    async def _send(self, tenant_id: UUID, request: httpx.Request, seconds: float) -> DeliveryResponse:
        until = asyncio.get_running_loop().time() + seconds
        async with self._exchanges.open(tenant_id, request, until=until, max_body_bytes=_BODY_BYTES) as response:
            text = await _drain(response, until)
        return _answer(response, text)


async def _drain(response: httpx.Response, deadline: float) -> str | None:
    """Read the answer's body, and return its beginning."""
    # The status has decided already. The body is read because some servers fail when their answer is cut off.
    pieces = 0
    kept = bytearray()
    until = min(deadline, asyncio.get_running_loop().time() + _DRAIN_TIMEOUT)
    with suppress(*FAULTS):
        async with asyncio.timeout_at(until):
            async for piece in response.aiter_raw():
                kept += piece[: _KEPT_BYTES - len(kept)]
                pieces += 1
                if pieces >= _BODY_PIECES:
                    break
    await response.aclose()
    return sanitize.text(kept.decode(errors="replace"), _KEPT_BYTES) or None


def _answer(response: httpx.Response, text: str | None) -> DeliveryResponse:
    # A redirect could lead to an address that was not checked.
    error = _REDIRECT if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST else None
    return DeliveryResponse(response.status_code, error, response.headers.get("Retry-After"), text)
