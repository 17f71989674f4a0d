"""Run the operations of all tenants in the leading dispatcher: one step of each tenant in turn, at a bounded rate."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from app.core import backoff, failpoints
from app.core.duty import keep_running
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import AWAY, Database
from app.operations import store
from app.operations.page_size import MAX_READ
from app.operations.progress import Act, Standing, Waits

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# Seconds between two steps, at least. A pause is also as long as the step before it: operations use at most
# half of one backend of Postgres in all, whatever the machine.
_MIN_PAUSE: Final = 0.005
# Steps of one operation that may fail in a row. The next one acts on a single task, and after that it is given up.
_MAX_FAILURES: Final = 2
# Seconds after a step that has failed; doubled with each further one.
_FIRST_PAUSE: Final = 0.2
_MAX_PAUSE: Final = 10.0
_MOVED_PAUSE: Final = 0.5
_OVERDUE: Final = [{"task_id": None, "detail": "The operation has not ended within 7 days. Ask for the rest again."}]


class _Attempts:
    """The memory of the latest steps of one operation. It may be forgotten at any time."""

    def __init__(self) -> None:
        self.not_before = 0.0
        """Time of ``time.monotonic`` from which the next step may begin."""
        self.failures = 0
        self.times_away = 0


class OperationRunner:
    """Runs the operations that ``see`` names, for as long as the block of ``running`` lasts."""

    def __init__(self, worker: Database, acts: Mapping[str, Act], fence: UUID) -> None:
        """``worker`` logs in as tq_worker, ``acts`` are by kind, ``fence`` is the token of the dispatcher's lease."""
        self._worker = worker
        self._acts = acts
        self._fence = fence
        self._known: list[tuple[UUID, UUID]] = []
        self._states: dict[UUID, _Attempts] = {}
        self._has_work = asyncio.Event()

    def see(self, running: Sequence[tuple[UUID, UUID]]) -> None:
        """Learn which operations run: tenant and id of each, the oldest first."""
        self._known = list(running)
        known = {operation_id for _, operation_id in running}
        # What has ended is forgotten, so that the memory does not grow with each operation.
        self._states = {key: state for key, state in self._states.items() if key in known}
        if running:
            self._has_work.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run operations in the background until the block ends. A step under way is then rolled back."""
        task = asyncio.create_task(keep_running("operations", self._run), name="operations")
        try:
            yield
        finally:
            # A step is one transaction, so an end in the middle of it leaves nothing half done.
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            self._has_work.clear()
            if not await self.round():
                # Nothing may run now: wait for the dispatcher's next look.
                await self._has_work.wait()

    async def round(self) -> int:
        """Do one step for each tenant, and return how many steps were done."""
        chosen = self._choose()
        for tenant_id, operation_id in chosen:
            began = time.monotonic()
            await self._step(tenant_id, operation_id)
            await asyncio.sleep(max(_MIN_PAUSE, time.monotonic() - began))
        return len(chosen)

    def _choose(self) -> list[tuple[UUID, UUID]]:
        """Return each tenant's oldest operation that need not wait now."""
        now = time.monotonic()
        first: dict[UUID, UUID] = {}
        for tenant_id, operation_id in self._known:
            state = self._states.setdefault(operation_id, _Attempts())
            if tenant_id not in first and state.not_before <= now:
                first[tenant_id] = operation_id
        return list(first.items())

    def _forget(self, operation_id: UUID) -> None:
        self._known = [each for each in self._known if each[1] != operation_id]

    async def _step(self, tenant_id: UUID, operation_id: UUID) -> None:
        state = self._states[operation_id]
        try:
            await self._advance(tenant_id, operation_id, state)
        except (Unavailable, *AWAY) as error:
            # Not a failure of the operation: an outage must not make it give up a task.
            state.times_away += 1
            pause = backoff.delay(state.times_away, factor=_FIRST_PAUSE, maximum=_MAX_PAUSE, jitter=False)
            state.not_before = time.monotonic() + pause
            _log_limiter.warn("an operation waits for Postgres", reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001 operations of other tenants must go on
            if getattr(error, "sqlstate", None) == store.MOVED:
                # Another dispatcher leads, or a commit whose answer was lost has succeeded: the next step reads it.
                state.not_before = time.monotonic() + _MOVED_PAUSE
                return
            state.failures += 1
            pause = backoff.delay(state.failures, factor=_FIRST_PAUSE, maximum=_MAX_PAUSE, jitter=False)
            state.not_before = time.monotonic() + pause
            _log.exception("a step of an operation has failed", extra=_names(tenant_id, operation_id))
        else:
            state.failures = state.times_away = 0

    async def _advance(self, tenant_id: UUID, operation_id: UUID, state: _Attempts) -> None:
        async with self._worker.transaction(tenant_id) as connection:
            standing = await store.standing(connection, tenant_id, operation_id)
        if standing is None:
            self._forget(operation_id)
        elif standing.cancel_requested or standing.is_overdue:
            await self._end(standing)
        elif not standing.is_counted:
            await self._acts[standing.kind].count(standing, MAX_READ)
        else:
            failpoints.hit("operation.before_act")
            await self._act(standing, state)

    async def _act(self, standing: Standing, state: _Attempts) -> None:
        act = self._acts[standing.kind]
        if state.failures > _MAX_FAILURES:
            await act.give_up(standing, "It could not be processed. Ask the operator, who finds it in the log.")
            return
        waits = await act.act(standing, one_only=state.failures > 0)
        if waits is not None:
            await self._wait(standing, waits, state)

    async def _wait(self, standing: Standing, waits: Waits, state: _Attempts) -> None:
        state.not_before = time.monotonic() + waits.seconds
        # Written only when it changes: an operation may wait for days, and looks again and again.
        if standing.waiting_for_limit != waits.limit:
            async with self._worker.transaction(standing.tenant_id) as connection:
                await store.say_waiting(connection, standing.tenant_id, standing.id, waits.limit, self._fence)

    async def _end(self, standing: Standing) -> None:
        status, errors = ("CANCELLED", []) if standing.cancel_requested else ("FAILED", _OVERDUE)
        async with self._worker.transaction(standing.tenant_id) as connection:
            await store.end(connection, standing.tenant_id, standing.id, status, errors, self._fence)


def _names(tenant_id: UUID, operation_id: UUID) -> dict[str, str]:
    return {"tenant_id": str(tenant_id), "operation_id": str(operation_id)}
