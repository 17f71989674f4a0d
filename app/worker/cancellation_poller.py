"""Poll Postgres for attempts of this worker that must end: cancelled ones, and ones that were taken away."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from app.broker import wakeups
from app.core.errors import Unavailable
from app.db import Database
from app.tasks.run import cancellation
from app.tasks.run.attempts import AttemptRef
from app.tasks.run.cancellation import Verdict
from app.tasks.run.timing import HEARTBEAT_INTERVAL

AnyAttempt = TypeVar("AnyAttempt", bound=AttemptRef)

_log = logging.getLogger(__name__)


class CancellationPoller(Generic[AnyAttempt]):
    """Polls every 3 s, and at once when Redis announces a cancel of one of the running attempts."""

    def __init__(
        self,
        database: Database,
        running: Callable[[], Sequence[AnyAttempt]],
        tell: Callable[[AnyAttempt, Verdict], None],
    ) -> None:
        """``running`` returns the attempts to poll for. Every poll calls ``tell`` for each attempt that must end."""
        self._database = database
        self._running = running
        self._tell = tell
        self._wakeup = asyncio.Event()

    async def run(self, redis_url: str) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(wakeups.listen_cancels(redis_url, self._on_cancel))
            group.create_task(self._keep_polling())

    def _on_cancel(self, task_id: UUID) -> None:
        # The Redis message is only a hint to poll now; Postgres decides which attempts must stop.
        if any(attempt.task_id == task_id for attempt in self._running()):
            self._wakeup.set()

    async def _keep_polling(self) -> None:
        while True:
            try:
                await self._poll()
            except Unavailable:
                _log.warning("cannot look for cancelled tasks: Postgres is unavailable; retrying")
            except Exception:  # noqa: BLE001 without this poll, no cancel would reach this worker any more
                _log.exception("cannot look for cancelled tasks; retrying")
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_INTERVAL):
                await self._wakeup.wait()
        except TimeoutError:
            return
        finally:
            self._wakeup.clear()

    async def _poll(self) -> None:
        # The list is read once. An attempt that starts during the query is covered by the next poll.
        running = self._running()
        verdicts = await cancellation.verdicts(self._database, running)
        for attempt in running:
            if verdict := verdicts.get(attempt.claim_token):
                self._tell(attempt, verdict)
