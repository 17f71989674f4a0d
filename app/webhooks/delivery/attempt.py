"""Make one attempt of a delivery: sign, send, record. No transaction is open while it is sent."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from app.core import crypto, facts, failpoints
from app.core.errors import Unavailable
from app.core.secrets import Secrets, SecretsFileError
from app.db import AWAY, Database
from app.outbound import retry_after, signing
from app.outbound.resolver import NoThreadError
from app.tenants.webhook_secrets import SecretOpener
from app.webhooks import store
from app.webhooks.attempt_store import EndedAttempt
from app.webhooks.delivery import opening, retry_schedule
from app.webhooks.delivery.recorder import Recorder
from app.webhooks.delivery.sender import DeliveryResponse, Sender
from app.webhooks.store import DeliveryClaim

_log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""Validity of a claim: the 15 s of an attempt, and time to record it."""
TEST_TIMEOUT: Final = 12.0
"""Seconds of the one attempt of a test: the caller who waits gets its answer within 15 s."""
_POSTPONED_BY: Final = timedelta(seconds=2)
_UNSIGNED: Final = "There is no signing secret that holds. Make a new one: nothing is sent unsigned."
_SEALED: Final = "The signing secret cannot be opened. Ask the operator: nothing is sent unsigned."
_BUG: Final = "The request could not be made. The operator's log says why."


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """A request that was sent, and what came back."""

    claim: DeliveryClaim
    answer: DeliveryResponse
    seconds: float
    """From the look-up of the host to the end of the answer."""


class DeliveryAttempts:
    """Makes delivery attempts, one for each claim."""

    def __init__(self, database: Database, sender: Sender, secrets: Secrets, time_scale: float = 1.0) -> None:
        """``database`` logs in as tq_webhook. ``time_scale`` below 1 shortens the times between attempts, for tests."""
        self._database = database
        self._time_scale = time_scale
        self._sender = sender
        self._opener = SecretOpener(secrets)
        self._recorder = Recorder(database, time_scale)

    async def send(self, claim: DeliveryClaim) -> SentAttempt | None:
        """Send one request. None: nothing was sent, as its host could not be looked up yet, and it is put off."""
        began = time.monotonic()
        try:
            answer = await self._send(claim)
        except NoThreadError:
            # It does not count: name servers of other hosts were slow.
            _log.warning(
                "delivery put off, no thread to look up its host is free", extra={"delivery_id": str(claim.id)}
            )
            await self.put_off(claim, _POSTPONED_BY)
            return None
        failpoints.hit("webhooks.before_record")
        return SentAttempt(claim, answer, time.monotonic() - began)

    async def record(self, sent: SentAttempt, *, until: float) -> None:
        """Record an attempt, repeatedly until the claim ends: ``until`` is a time of ``time.monotonic()``."""
        claim, answer, duration_ms = sent.claim, sent.answer, round(sent.seconds * 1000)
        delay = retry_after.read(answer.retry_after, datetime.now(UTC))
        step = retry_schedule.after(claim.attempt - claim.schedule_from, answer.status, delay, is_last=claim.is_test)
        until_next = timedelta(seconds=step.delay_seconds) * self._time_scale
        ended = EndedAttempt(claim, step.status, until_next, duration_ms, answer.status, answer.error, answer.body)
        is_recorded = await self._recorder.record(ended, until=until)
        failpoints.hit("webhooks.after_record")
        line = {
            "tenant_id": str(claim.tenant_id),
            "task_id": claim.task_id and str(claim.task_id),
            "endpoint_id": claim.endpoint_id and str(claim.endpoint_id),
            "delivery_id": str(claim.id),
            "attempt": claim.attempt,
            # The claim is over: the delivery is sent once more, and the line of that attempt tells how it ended.
            "outcome": step.status if is_recorded else "FENCED",
            "status": answer.status,
            "error": answer.error,
            "duration_ms": duration_ms,
        }
        _log.info("delivery", extra=line)
        facts.tell("delivery", line)

    async def _send(self, claim: DeliveryClaim) -> DeliveryResponse:
        body = claim.body.encode()
        try:
            keys, own = opening.keys(self._opener, claim), opening.headers(self._opener, claim)
        except (crypto.SealBroken, SecretsFileError, ValueError):
            return DeliveryResponse(None, _SEALED)
        # A receiver could not tell an unsigned request from a forged one.
        if not keys:
            return DeliveryResponse(None, _UNSIGNED)
        try:
            # The signature comes last: a header of the tenant's cannot take its place.
            headers = own | signing.headers(claim.event_id, claim.claimed_at, body, keys)
            deadline = TEST_TIMEOUT if claim.is_test else None
            return await self._sender.post(claim.tenant_id, claim.url, headers, body, deadline=deadline)
        except NoThreadError:
            raise
        except Exception:  # noqa: BLE001 an unknown error must count as an attempt, or the delivery would come back for ever
            _log.exception("delivery not sent", extra={"delivery_id": str(claim.id)})
            return DeliveryResponse(None, _BUG)

    async def put_off(self, claim: DeliveryClaim, delay: timedelta = timedelta()) -> None:
        """Make a delivery due again after ``delay``, as if there had been no attempt."""
        # If it cannot be written, the lease ends by itself.
        with suppress(Unavailable, *AWAY, asyncpg.PostgresError):
            async with self._database.connection() as connection:
                await store.release_any_tenant(connection, [claim], delay=delay)
