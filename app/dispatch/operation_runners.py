"""Connect what runs operations to the database, and make the runner of each lead."""

from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.db import Database
from app.operations.bulk_cancel import BulkCancel
from app.operations.bulk_retry import BulkRetry
from app.operations.delivery_acts import DeliveryResend, ReplayMissing
from app.operations.progress import Act
from app.operations.runner import OperationRunner
from app.operations.schedule_backfill import ScheduleBackfill
from app.tasks.submit.accept import Acceptor

# Seconds for one statement: a tenant whose rows are locked must not keep the operations of others waiting for long.
_COMMAND_TIMEOUT: Final = 5.0


class OperationRunners:
    """The connections of operations. They are opened by the first operation, and are separate from those of sweeps."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` carries wake-ups and tickets, and may be unavailable."""
        self._redis = redis
        self._worker = Database("tq_worker", size=1, command_timeout=_COMMAND_TIMEOUT)
        self._submit = Database("tq_submit", size=1, command_timeout=_COMMAND_TIMEOUT)
        self._acceptor = Acceptor(self._submit, self._worker, redis)

    def of(self, fence: UUID) -> OperationRunner:
        """Return a runner for the lead with this token."""
        resend = DeliveryResend(self._worker, fence)
        acts: dict[str, Act] = {
            "schedules.backfill": ScheduleBackfill(self._worker, self._acceptor, fence),
            "tasks.cancel": BulkCancel(self._worker, self._redis, fence),
            "tasks.retry": BulkRetry(self._worker, self._acceptor, fence),
            "webhooks.recover": resend,
            "webhooks.resend": resend,
            "webhooks.replay_missing": ReplayMissing(self._worker, fence),
        }
        return OperationRunner(self._worker, acts, fence)

    async def close(self) -> None:
        """Wait for the steps that have begun, and close the connections."""
        await self._acceptor.close()
        await self._submit.close()
        await self._worker.close()
