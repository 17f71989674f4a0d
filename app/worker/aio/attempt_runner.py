"""Run one attempt of the asyncio pool: call its code, enforce its limits, cancel it, and give it up if necessary."""

import asyncio
import logging
from collections.abc import Callable
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

    def __init__(
        self,
        runtime: Runtime,
        claim: Claim,
        *,
        on_end: "Callable[[AttemptRunner], None]",
        give_up: Callable[[asyncio.Task[Any]], None],
    ) -> None:
        """``on_end`` is called once, when the attempt has ended; ``ran`` is known then.

        ``give_up`` is called with the asyncio task of the code if that continues after it was cancelled.
        """
        self._runtime = runtime
        self._claim = claim
        self._on_end = on_end
        self._hand_over = give_up
        self.has_begun = False
        """True once the code was called."""
        self.ran: RunResult | None = None
        """The result, as soon as it is known; it may not be written yet. None also if the attempt was taken away."""
        self._is_asked_to_end = self._is_over = False
        self._reason: Reason | None = None
        self._execution = Execution(runtime, claim, lambda: self._is_asked_to_end)
        self._timer: asyncio.TimerHandle | None = None
        self._code: InterruptibleCoroutine[None]

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

    def start(self) -> None:
        """Start the code. It runs when the event loop comes to it."""
        token = task_ownership.owner.set(self)
        try:
            self._code = InterruptibleCoroutine(self._run(), self._runtime.loop)
        finally:
            task_ownership.owner.reset(token)
        self._code.task.add_done_callback(self._finish)
        # The soft limit raises an error in the code, which may clean up. After the hard limit the code is cancelled.
        self._after(self._execution.soft_limit, self._interrupt)

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

    async def _run(self) -> None:
        ran = await self._call()
        # At once, and not in a callback: another attempt may block the loop before that runs.
        if not self._is_over:
            self.ran = ran

    async def _call(self) -> RunResult:
        # One asyncio task for all of it: calling the code and serialising its result may block the loop too, and the
        # watchdog finds the attempt by the task that runs.
        self.has_begun = True
        try:
            return self._execution.returned(await self._execution.call())
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio would let these two end the loop, and with it every other attempt.
            return self._execution.raised(outcomes.TaskCrashed(type(error).__name__))
        except BaseException as error:  # noqa: BLE001 the tenant's failure, not ours
            return self._execution.raised(error)

    def tell(self, reason: Reason) -> None:
        """Make the attempt end: at once, or if it was cancelled, after a second in which the code may end by itself."""
        if reason != "cancelled":
            self._end(reason)
        elif not self._is_asked_to_end:
            self._is_asked_to_end = True
            if self._reason is None:
                self._after(WORKER_GRACE, self._end, reason)

    def _after(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        # One timer at a time, because each later step replaces the one before.
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._runtime.loop.call_later(seconds, call, *arguments)

    def _interrupt(self) -> None:
        soft, hard = self._execution.soft_limit, self._claim.time_limit_seconds
        self._after(hard - soft + WORKER_GRACE, self._end, "overdue")
        self._code.interrupt(SoftTimeLimitExceeded(f"the attempt ran for more than {soft:g} s"))

    def _end(self, reason: Reason) -> None:
        if self._reason is None and not self._is_over:
            self._reason = reason
            self._code.task.cancel()
            # The code may catch the cancel and go on. The attempt ends all the same, so that its slot becomes free.
            self._after(WORKER_GRACE, self._give_up)

    def _give_up(self) -> None:
        if not self._is_over:
            _log.error("a task's code ignores its cancel and goes on", extra={"task": self._claim.task})
            self._hand_over(self._code.task)
            self._finish()

    def _finish(self, *_: Any) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        code = self._code.task
        if not code.done() or code.cancelled():
            self.ran = self._ended()
        self._on_end(self)

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
