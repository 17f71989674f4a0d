"""Waiting for a task's end."""

import asyncio
import time
from http import HTTPStatus
from uuid import UUID

import httpx

from .api.tasks import get_task_result
from .client import AuthenticatedClient
from .errors import UnexpectedStatus
from .models.result_pending import ResultPending
from .models.task_result import TaskResult
from .problems import ProblemError, unwrap

_LONGEST_WAIT = 20.0
"""Seconds one call may wait: less than what proxies allow."""
_MARGIN = 2.0
_PAUSE, _LONGEST_PAUSE = 0.25, 10.0

_PASSING = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, ProblemError, UnexpectedStatus)
_PASSING_STATUSES = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def wait_for_result(client: AuthenticatedClient, task_id: UUID | str, *, timeout: float = 300.0) -> TaskResult:
    """Return how the task ended: SUCCESS with its result, FAILURE or REVOKED with its error.

    An API that is away, or asks to come back later, is asked again. Raises ``TimeoutError`` when the task has not ended
    within ``timeout`` seconds (it goes on), and ``ProblemError`` where asking again is of no use.
    """
    known, patience = UUID(str(task_id)), _Patience(task_id, timeout, client.get_httpx_client().timeout)
    while True:
        try:
            answer = unwrap(get_task_result.sync_detailed(known, client=client, wait=patience.wait()))
            if isinstance(answer, TaskResult):
                return answer
            pause = patience.after_pending(answer)
        except _PASSING as failure:
            pause = patience.after(failure)
        time.sleep(pause)


async def wait_for_result_async(
    client: AuthenticatedClient,
    task_id: UUID | str,
    *,
    timeout: float = 300.0,  # noqa: ASYNC109  # the calls in flight are never cut off: the API answers in time
) -> TaskResult:
    """Do what ``wait_for_result`` does without blocking the event loop."""
    known, patience = UUID(str(task_id)), _Patience(task_id, timeout, client.get_async_httpx_client().timeout)
    while True:
        try:
            answer = unwrap(await get_task_result.asyncio_detailed(known, client=client, wait=patience.wait()))
            if isinstance(answer, TaskResult):
                return answer
            pause = patience.after_pending(answer)
        except _PASSING as failure:
            pause = patience.after(failure)
        await asyncio.sleep(pause)


class _Patience:
    """When to ask again, and when no more."""

    def __init__(self, task_id: UUID | str, timeout: float, http: httpx.Timeout) -> None:
        self._task_id = task_id
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        # A call must not wait longer than the client waits for its answer.
        self._longest = _LONGEST_WAIT if http.read is None else max(0.0, min(_LONGEST_WAIT, http.read - _MARGIN))
        self._pause = _PAUSE

    def wait(self) -> float:
        """Return how many seconds the next call is to wait."""
        return min(self._longest, self._left())

    def after_pending(self, answer: ResultPending) -> float:
        """Return the pause after the answer that the task has not ended."""
        self._pause = _PAUSE
        if not self._left():
            raise TimeoutError(f"task {self._task_id} is {answer.status} after {self._timeout} s")
        return min(_PAUSE, self._left())

    def after(self, failure: Exception) -> float:
        """Return the pause after a failure; raises it when it will not pass."""
        status = failure.status if isinstance(failure, ProblemError) else getattr(failure, "status_code", None)
        if status is not None and status not in _PASSING_STATUSES:
            raise failure
        if not self._left():
            raise TimeoutError(f"task {self._task_id} cannot be asked after for {self._timeout} s") from failure
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        asked = failure.retry_after if isinstance(failure, ProblemError) else None
        return min(max(self._pause, asked or 0.0), self._left())

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())
