"""Make one attempt of a delivery: sign, send, record. No transaction is open while it is sent."""

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from app.core import crypto, failpoints, retry, secrets
from app.core.config import get_settings
from app.core.errors import Unavailable
from app.core.secrets import Secrets, SecretsFileError
from app.db import AWAY, Database
from app.tenants import webhook_secrets
from app.webhooks import store
from app.webhooks.delivery import retry_schedule, signing
from app.webhooks.delivery.resolver import NoThreadError
from app.webhooks.delivery.retry_schedule import NextStep
from app.webhooks.delivery.sender import DeliveryResponse, Sender
from app.webhooks.store import DeliveryClaim

_log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""Validity of a claim: the 15 s of an attempt, and time to record it."""
_POSTPONED_BY: Final = timedelta(seconds=2)
_UNSIGNED: Final = "There is no signing secret that holds. Make a new one: nothing is sent unsigned."
_SEALED: Final = "The signing secret cannot be opened. Ask the operator: nothing is sent unsigned."
_BUG: Final = "The request could not be made. The operator's log says why."


class DeliveryAttempts:
    """Makes delivery attempts, one for each claim."""

    def __init__(self, database: Database, sender: Sender, secrets: Secrets) -> None:
        """``database`` logs in as tq_webhook."""
        self._database = database
        self._sender = sender
        self._secrets = secrets

    async def make(self, claim: DeliveryClaim) -> bool:
        """Make one attempt and record it; return whether the endpoint keeps up."""
        began = time.monotonic()
        try:
            answer = await self._send(claim)
        except NoThreadError:
            await self._postpone(claim)
            return False
        failpoints.hit("webhooks.before_record")
        duration_ms = round((time.monotonic() - began) * 1000)
        delay = retry_schedule.retry_after(answer.retry_after, datetime.now(UTC))
        step = retry_schedule.after(claim.attempt, answer.status, delay)
        is_recorded = await self._record(claim, answer, step, duration_ms, until=began + LEASE.total_seconds())
        _log.info(
            "delivery",
            extra={
                "tenant_id": str(claim.tenant_id),
                "task_id": str(claim.task_id),
                "delivery_id": str(claim.id),
                "attempt": claim.attempt,
                "outcome": step.status if is_recorded else "FENCED",
                "status": answer.status,
                "error": answer.error,
                "duration_ms": duration_ms,
            },
        )
        return answer.is_keeping_up

    async def _send(self, claim: DeliveryClaim) -> DeliveryResponse:
        body = claim.body.encode()
        try:
            keys = [self._open(claim, secret_id, sealed) for secret_id, sealed in claim.secrets]
        except (crypto.SealBroken, SecretsFileError, ValueError):
            return DeliveryResponse(None, _SEALED)
        if not keys:
            return DeliveryResponse(None, _UNSIGNED)
        try:
            headers = signing.headers(claim.id, claim.claimed_at, body, keys)
            return await self._sender.post(claim.tenant_id, claim.url, headers, body)
        except NoThreadError:
            raise
        except Exception:  # noqa: BLE001 an unknown error must count as an attempt, or the delivery would come back for ever
            _log.exception("delivery not sent", extra={"delivery_id": str(claim.id)})
            return DeliveryResponse(None, _BUG)

    async def _postpone(self, claim: DeliveryClaim) -> None:
        # It does not count: name servers of other hosts were slow. If it cannot be written, the lease ends by itself.
        _log.warning("delivery put off, no thread to look up its host is free", extra={"delivery_id": str(claim.id)})
        with suppress(Unavailable, *AWAY, asyncpg.PostgresError):
            async with self._database.connection() as connection:
                await store.release_any_tenant(connection, [claim], delay=_POSTPONED_BY)

    def _open(self, claim: DeliveryClaim, secret_id: UUID, sealed: str) -> bytes:
        place = webhook_secrets.place_of(secret_id)
        try:
            text = crypto.open_sealed(sealed, tenant_id=claim.tenant_id, place=place, secrets=self._secrets)
        except crypto.SealBroken:
            # A rotation may have sealed it under a key that the file did not have when it was read.
            self._secrets = secrets.load(get_settings().secrets_file)
            text = crypto.open_sealed(sealed, tenant_id=claim.tenant_id, place=place, secrets=self._secrets)
        return signing.key(text.decode("ascii"))

    async def _record(
        self, claim: DeliveryClaim, answer: DeliveryResponse, step: NextStep, duration_ms: int, *, until: float
    ) -> bool:
        def warn(error: Exception, _: float) -> None:
            facts = {"delivery_id": str(claim.id), "error": type(error).__name__}
            _log.warning("delivery not recorded yet", extra=facts)

        away = (Unavailable, *AWAY, asyncpg.PostgresError)
        try:
            # For as long as the claim is valid. After that it is sent once more.
            return await retry.until_back(
                lambda: self._record_once(claim, answer, step, duration_ms), away, warn, until=until
            )
        except away:
            return False

    async def _record_once(
        self, claim: DeliveryClaim, answer: DeliveryResponse, step: NextStep, duration_ms: int
    ) -> bool:
        async with self._database.transaction(claim.tenant_id) as connection:
            is_held = await store.record(
                connection,
                claim.tenant_id,
                claim,
                status=step.status,
                delay=timedelta(seconds=step.delay_seconds),
                duration_ms=duration_ms,
                response_status=answer.status,
                error=answer.error,
            )
            failpoints.hit("webhooks.before_commit")
        failpoints.hit("webhooks.after_record")
        return is_held
