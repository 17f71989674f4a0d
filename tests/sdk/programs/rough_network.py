"""Waiting while the API is away: answers come from a list instead of a server."""

import json
import time
from collections.abc import Callable
from uuid import UUID

import httpx
from task_queue_client import ProblemError, connect, unwrap, wait_for_result
from task_queue_client.api.tasks import get_task
from task_queue_client.errors import UnexpectedStatus

TASK = "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"
PROBLEM = {"type": "/errors/x", "title": "X", "detail": "Y", "request_id": "r1"}
ENDED = httpx.Response(200, json={"task_id": TASK, "status": "SUCCESS", "result": 7, "error": None})
PENDING = httpx.Response(202, json={"task_id": TASK, "status": "STARTED", "detail": "Result not available yet"})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """Make a refusal."""
    body = json.dumps(PROBLEM | {"status": status, "code": code, "limit": 3})
    return httpx.Response(status, text=body, headers={"content-type": "application/problem+json", **headers})


def answering(*answers: httpx.Response | Exception) -> tuple[list[httpx.Request], httpx.Client]:
    """Make a client that gets these answers, one after the other."""
    seen: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        following = next(left)
        if isinstance(following, Exception):
            raise following
        return following

    return seen, httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer), timeout=8)


def raised(call: Callable[[], object]) -> Exception:
    """Return what a call raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # looked at by the caller
        return error
    raise AssertionError("nothing was raised")


client = connect("http://api", "key")

# What passes is asked again, no longer than the client itself waits for an answer.
page = httpx.Response(502, text="<html>bad gateway</html>")
seen, http = answering(
    httpx.ConnectError("away"), httpx.ReadTimeout("slow"), page, PENDING, problem(503, "unavailable"), ENDED
)
client.set_httpx_client(http)
assert wait_for_result(client, TASK, timeout=60).result == 7
assert [float(request.url.params["wait"]) for request in seen] == [6.0] * 6

# Retry-After is heeded.
seen, http = answering(problem(429, "rate_limited", **{"retry-after": "1"}), ENDED)
client.set_httpx_client(http)
started = time.monotonic()
wait_for_result(client, TASK, timeout=30)
assert time.monotonic() - started >= 1

# What does not pass is raised at once, with everything that was said.
seen, http = answering(problem(403, "tenant_suspended"))
client.set_httpx_client(http)
refused = raised(lambda: wait_for_result(client, TASK, timeout=30))
assert isinstance(refused, ProblemError)
assert (refused.status, refused.code, refused.title, refused.detail) == (403, "tenant_suspended", "X", "Y")
assert refused.members == {"limit": 3}

# An API that stays away is a time-out that names its cause.
seen, http = answering(*[httpx.ConnectError("away") for _ in range(99)])
client.set_httpx_client(http)
late = raised(lambda: wait_for_result(client, TASK, timeout=0.6))
assert isinstance(late, TimeoutError)
assert isinstance(late.__cause__, httpx.ConnectError)

# What is no answer of the API's is not taken for one.
for stranger in (
    page,
    httpx.Response(418),
    httpx.Response(500, text="{}", headers={"content-type": "application/problem+json"}),
):
    seen, http = answering(stranger)
    client.set_httpx_client(http)
    assert isinstance(raised(lambda: unwrap(get_task.sync_detailed(UUID(TASK), client=client))), UnexpectedStatus)
