"""Send the request of one attempt, within the limits of its tenant and of its host, and judge the answer."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID

from app.core import failpoints
from app.core.errors import Unavailable
from app.db import Database
from app.http_requests import answers, signed_request, store
from app.http_requests.answers import HttpAnswerTooLarge, HttpConnectionError
from app.http_requests.limits import MAX_PER_HOST, HostConcurrency, Spread
from app.http_requests.schemas import HttpRequestPayload, HttpRequestResult
from app.http_requests.signed_request import HttpRequestUnsigned
from app.http_requests.store import SendingTenant
from app.outbound import exchange, pinned_transport, retry_after
from app.outbound.exchange import FAULTS, Exchanges, NoAddressError
from app.outbound.http import httpx
from app.outbound.resolver import NoThreadError
from app.quotas.limits import Rate
from app.quotas.rate import Rates
from app.tasks import TaskContext, TaskRetry
from app.tasks.definition.control import PutOff
from app.tenants import plans
from app.tenants.plans import UNLIMITED, Limits
from app.tenants.webhook_secrets import SecretOpener

_log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000
_AWAY_DELAY: Final = 2.0
# Of each byte of a body, if it comes in chunks of one byte. A longer answer ends early.
_CHUNK_OVERHEAD: Final = 8

_NO_ADDRESS: Final = "The host name has no address that requests are sent to. Use a host on the internet."
_NO_CONNECTION: Final = "There was no connection to the host."


class HttpLimit(PutOff):
    """The tenant's rate, or the limit of the host, leaves no room for the request yet."""


class Requester:
    """Sends the requests of one process."""

    def __init__(
        self,
        database: Database,
        rates: Rates,
        exchanges: Exchanges,
        opener: SecretOpener,
        clock: Callable[[], float],
        *,
        max_waiting: int,
    ) -> None:
        """``database`` logs in as tq_http; ``clock`` is the loop's; ``max_waiting`` attempts may wait for a host."""
        self._database = database
        self._rates = rates
        self._exchanges = exchanges
        self._opener = opener
        self._clock = clock
        self._hosts = HostConcurrency(max_waiting)
        self._spread = Spread(clock)

    async def send(self, payload: HttpRequestPayload, context: TaskContext) -> HttpRequestResult:
        """Send the request of an attempt; return its answer, or raise what follows instead."""
        host = httpx.URL(payload.url).host
        if not await self._hosts.take(host):
            # The attempt ends, so that it holds no place of others while it waits.
            delay = self._spread.delay(host, self._hosts.interval(host))
            raise HttpLimit(
                f"{MAX_PER_HOST} requests to this host are under way. It is sent when one has ended.", after=delay
            )
        seconds = None
        try:
            tenant = await self._tenant(context.tenant_id)
            limits = plans.effective(tenant.plan, tenant.overrides)
            await self._ask_rate(context.tenant_id, limits)
            began = self._clock()
            try:
                return await self._exchange(payload, context, tenant, limits)
            finally:
                seconds = self._clock() - began
        finally:
            self._hosts.give_back(host, seconds)

    async def _tenant(self, tenant_id: UUID) -> SendingTenant:
        try:
            async with self._database.transaction(tenant_id) as connection:
                found = await store.find_sender(connection, tenant_id)
        except Unavailable:
            raise HttpLimit("The service could not read its limits.", after=_AWAY_DELAY) from None
        if found is None:
            raise HttpRequestUnsigned
        return found

    async def _ask_rate(self, tenant_id: UUID, limits: Limits) -> None:
        per_second = limits.http_requests_per_second
        if per_second == UNLIMITED:
            return
        # Rounded up: a shorter interval would allow more than the limit.
        interval = -(-_SECOND // per_second)
        decision = await self._rates.ask(tenant_id, Rate(interval, per_second))
        if not decision.is_allowed:
            delay = self._spread.delay(tenant_id, interval / _SECOND)
            raise HttpLimit(f"The limit of {per_second} requests a second is reached.", after=delay)

    async def _exchange(
        self, payload: HttpRequestPayload, context: TaskContext, tenant: SendingTenant, limits: Limits
    ) -> HttpRequestResult:
        began, request = self._clock(), signed_request.build(payload, context, tenant.secrets, self._opener)
        failpoints.hit("http_request.before_send")
        try:
            response, body = await self._answer(context.tenant_id, request, payload.timeout_seconds, limits)
        except NoThreadError:
            raise HttpLimit("The host could not be looked up yet.", after=_AWAY_DELAY) from None
        except NoAddressError:
            raise TaskRetry from HttpConnectionError(_NO_ADDRESS)
        except TimeoutError:
            text = f"There was no whole answer within {payload.timeout_seconds:g} s."
            raise TaskRetry from HttpConnectionError(text)
        except FAULTS as fault:
            # Refused and silent are the same: in a network that the operator allows, no tenant shall find open ports.
            text = _NO_CONNECTION if exchange.is_unreachable(fault) else exchange.describe(fault)
            raise TaskRetry from HttpConnectionError(text)
        duration_ms = round((self._clock() - began) * 1000)
        _log_answer(context, response.status_code, duration_ms)
        return _judged(payload, response, body, duration_ms)

    async def _answer(
        self, tenant_id: UUID, request: httpx.Request, seconds: float, limits: Limits
    ) -> tuple[httpx.Response, bytes]:
        """Return the response with its body. Raises ``HttpAnswerTooLarge``, and what ``Exchanges.open`` raises."""
        until, most = self._clock() + seconds, limits.result_bytes
        body = bytearray()
        async with (
            self._exchanges.open(
                tenant_id, request, until=until, max_body_bytes=most * _CHUNK_OVERHEAD + pinned_transport.HEAD_BYTES
            ) as response,
            asyncio.timeout_at(until),
        ):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > most:
                    message = f"The answer has more than the {most} bytes that this plan keeps of a result."
                    raise HttpAnswerTooLarge(message)
            await response.aclose()
        return response, bytes(body)


def _judged(payload: HttpRequestPayload, response: httpx.Response, body: bytes, duration_ms: int) -> HttpRequestResult:
    """Return the result of a success. Raises ``TaskRetry`` or ``HttpStatusError`` for another status."""
    content = answers.content(response.headers.get("Content-Type"), body)
    verdict = answers.verdict(response.status_code, payload.success)
    if verdict == "success":
        headers = {name: value.replace("\0", "") for name, value in response.headers.items()}
        answer = {"status": response.status_code, "headers": headers, **content, "duration_ms": duration_ms}
        return cast("HttpRequestResult", answer)
    error = answers.status_error(response.status_code, content)
    if verdict == "failure":
        raise error
    asked = retry_after.read(response.headers.get("Retry-After"), datetime.now(UTC))
    raise TaskRetry(after=asked or None) from error


def _log_answer(context: TaskContext, status: int, duration_ms: int) -> None:
    _log.info(
        "http request",
        extra={
            "tenant_id": str(context.tenant_id),
            "task_id": str(context.task_id),
            "attempt": context.attempt,
            "status": status,
            "duration_ms": duration_ms,
        },
    )
