"""Run one attempt of the asyncio pool: call its code, enforce its limits, cancel it, and give it up if necessary."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias
from uuid import UUID

from app.tasks.definition.context import SoftTimeLimitExceeded
from app.tasks.run import outcomes
from app.tasks.run.attempts import Claim, Outcome
from app.tasks.run.timing import WORKER_GRACE
from app.worker.aio import task_ownership
from app.worker.coroutine_interrupt import InterruptibleCoroutine
from app.worker.executor import Execution, RunResult
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

Reason: TypeAlias = Literal["overdue", "cancelled", "fenced", "drained"]


class AttemptRunner:
    """Runs one claimed attempt. Event-loop thread only."""

    def __init__(self, runtime: Runtime, claim: Claim, give_up: Callable[[asyncio.Task[Any]], None]) -> None:
        """``give_up`` is called with the asyncio task of the code if that continues after it was cancelled."""
        self._claim = claim
        self._hand_over = give_up
        self.has_begun = False
        """True once the code was called."""
        self.ran: RunResult | None = None
        """The result, as soon as it is known; it may not be written yet."""
        self._is_asked_to_end = False
        self._reason: Reason | None = None
        self._execution = Execution(runtime, claim, lambda: self._is_asked_to_end)
        # Set when the code has ended or was given up. ``run`` waits for it, and not for the code's own task.
        self._over = runtime.loop.create_future()
        self._timers: list[asyncio.TimerHandle] = []
        self._code: InterruptibleCoroutine[Any]

    @property
    def claim(self) -> Claim:
        """The claim of the attempt."""
        return self._claim

    @property
    def tenant_id(self) -> UUID:
        """The tenant of the task."""
        return self._claim.tenant_id

    @property
    def task_id(self) -> UUID:
        """The id of the task."""
        return self._claim.task_id

    @property
    def claim_token(self) -> UUID:
        """The token that proves the right to finish the attempt."""
        return self._claim.claim_token

    async def run(self) -> RunResult | None:
        """Call the code and return its result; None if the attempt was taken away meanwhile."""
        self.ran = await self._run()
        return self.ran

    def is_run_by(self, task: asyncio.Task[Any]) -> bool:
        """Return whether an asyncio task belongs to this attempt: it runs the function or was started by it."""
        return task_ownership.get_owner(task) is self

    def blocked(self) -> RunResult:
        """Return the result of code that blocks the event loop and will end with the process."""
        message = "the code blocked the event loop: move blocking or computing code to a prefork task type or a thread"
        error = outcomes.TimeLimitExceeded if self.is_overdue() else outcomes.TaskCrashed
        return self._execution.raised(error(message))

    def is_overdue(self) -> bool:
        """Return whether the code has run longer than its hard limit and the second of grace after that."""
        return self.has_begun and self._execution.seconds() > self._claim.time_limit_seconds + WORKER_GRACE

    def ended(self, outcome: Outcome) -> RunResult:
        """Return the result of an attempt that somebody else has ended, with this outcome."""
        return self._execution.ended(outcome)

    async def _run(self) -> RunResult | None:
        self.has_begun = True
        # This asyncio task counts as the code's too: it serialises the result, and the types in it may block the loop.
        task_ownership.own(self)
        token = task_ownership.owner.set(self)
        try:
            self._code = InterruptibleCoroutine(_contained(self._execution.call()))
        except Exception as error:  # noqa: BLE001 the tenant's failure, not ours
            return self._execution.raised(error)
        finally:
            task_ownership.owner.reset(token)
        self._code.task.add_done_callback(self._finish)
        # The soft limit raises an error in the code, which may clean up. After the hard limit the code is cancelled.
        self._after(self._execution.soft_limit, self._interrupt)
        self._after(self._claim.time_limit_seconds + WORKER_GRACE, self._end, "overdue")
        try:
            await self._over
        finally:
            for timer in self._timers:
                timer.cancel()
        return self._ran()

    def tell(self, reason: Reason) -> None:
        """Make the attempt end: at once, or if it was cancelled, after a second in which the code may end by itself."""
        if reason != "cancelled":
            self._end(reason)
        elif not self._is_asked_to_end:
            self._is_asked_to_end = True
            self._after(WORKER_GRACE, self._end, reason)

    def _after(self, seconds: float, call: Any, *arguments: Any) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call, *arguments))

    def _interrupt(self) -> None:
        message = f"the attempt ran for more than {self._execution.soft_limit:g} s"
        self._code.interrupt(SoftTimeLimitExceeded(message))

    def _end(self, reason: Reason) -> None:
        if self._reason is None and not self._over.done():
            self._reason = reason
            self._code.task.cancel()
            # The code may catch the cancel and go on. The attempt ends all the same, so that its slot becomes free.
            self._after(WORKER_GRACE, self._give_up)

    def _give_up(self) -> None:
        if not self._over.done():
            _log.error("a task's code ignores its cancel and goes on", extra={"task": self._claim.task})
            self._hand_over(self._code.task)
            self._finish()

    def _finish(self, *_: Any) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _ran(self) -> RunResult | None:
        code = self._code.task
        if not code.done() or code.cancelled():
            return self._ended()
        if (error := code.exception()) is not None:
            return self._execution.raised(error)
        return self._execution.returned(code.result())

    def _ended(self) -> RunResult | None:
        match self._reason:
            case "fenced":
                # Another worker has the task: this attempt must write nothing.
                return None
            case "drained":
                return self._execution.ended(outcomes.returned(0))
            case "cancelled":
                return self._execution.ended(outcomes.revoked())
            case "overdue":
                return self._execution.raised(
                    outcomes.TimeLimitExceeded("the attempt ran beyond its time limit and was cancelled")
                )
        return self._execution.raised(outcomes.TaskCrashed("CancelledError"))


async def _contained(code: Awaitable[Any]) -> Any:
    try:
        return await code
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio would let these two end the loop, and with it every other attempt.
        raise outcomes.TaskCrashed(type(error).__name__) from None
