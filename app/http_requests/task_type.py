"""Declare http_request. Every process knows the type, and one kind of process can run it."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from app.http_requests.schemas import HttpRequestPayload, HttpRequestResult
from app.tasks import SoftTimeLimitExceeded, TaskContext, task

Send: TypeAlias = Callable[[HttpRequestPayload, TaskContext], Awaitable[HttpRequestResult]]


class _Installed:
    """The state of this process: how it sends a request. Only the worker of the http pool sets it."""

    send: Send


def send_by(send: Send) -> None:
    """Let attempts of this process send their requests by ``send``."""
    _Installed.send = staticmethod(send)


# The time limit is above the longest timeout of a request, so that the attempt says itself what became of it. The
# tenant's own limit for an attempt may be shorter, and is then a reason to try again.
@task(
    "http_request",
    pool="http",
    autoretry_for=(SoftTimeLimitExceeded,),
    max_attempts=10,
    retry_backoff=5,
    time_limit=320,
)
async def http_request(payload: HttpRequestPayload, context: TaskContext) -> HttpRequestResult:
    """Send a signed HTTP request to an endpoint of your own, and return the answer."""
    return await _Installed.send(payload, context)
