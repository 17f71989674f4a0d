"""How a call is attempted again: answers come from a list instead of a server, so that each is what it is meant to be."""

import json
import time
from uuid import UUID

import httpx
import task_queue_client as tq
from raising import raised
from task_queue_client import TaskQueue

TASK = UUID("019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10")
PROBLEM = {"type": "/errors/x", "title": "X", "detail": "Y", "request_id": "r1"}
ENDED = httpx.Response(200, json={"task_id": str(TASK), "status": "SUCCESS", "result": 7, "error": None, "new": 1})
PENDING = httpx.Response(202, json={"task_id": str(TASK), "status": "STARTED", "detail": "Result not available yet"})
ACCEPTED = httpx.Response(202, json={"task_id": str(TASK), "status": "PENDING"})
PAGE = httpx.Response(502, text="<html>bad gateway</html>")


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """Make a refusal."""
    body = json.dumps(PROBLEM | {"status": status, "code": code, "limit": 3})
    return httpx.Response(status, text=body, headers={"content-type": "application/problem+json", **headers})


def answering(*answers: httpx.Response | Exception, retry_seconds: float = 60) -> tuple[list[httpx.Request], TaskQueue]:
    """Make a client that gets these answers, one after the other."""
    seen: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        following = next(left)
        if isinstance(following, Exception):
            raise following
        return following

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return seen, TaskQueue("key", "http://api/", timeout=8, retry_seconds=retry_seconds, http=http)


# What passes is asked again, and no call waits longer than the client itself waits for an answer.
seen, client = answering(
    httpx.ConnectError("away"), httpx.ReadTimeout("slow"), PAGE, PENDING, problem(503, "unavailable"), ENDED
)
assert client.tasks.wait(TASK, timeout=60) == 7
assert [float(request.url.params["wait"]) for request in seen] == [6.0] * 6

# Retry-After is heeded.
seen, client = answering(problem(429, "rate_limited", **{"retry-after": "1"}), ENDED)
started = time.monotonic()
client.tasks.result(TASK)
assert time.monotonic() - started >= 1

# One that is longer than the client has patience is not waited for.
seen, client = answering(problem(429, "rate_limited", **{"retry-after": "90"}))
assert raised(tq.RateLimitError, lambda: client.tasks.result(TASK)).retry_after == 90

# A submit is sent again with the same key, whatever happened to the first one.
seen, client = answering(httpx.ReadError("cut"), problem(409, "idempotency_conflict"), PAGE, ACCEPTED)
assert client.tasks.submit("echo", 1).task_id == TASK
assert len({request.headers["idempotency-key"] for request in seen}) == 1
assert len({request.content for request in seen}) == 1

# What would happen twice is sent again only if the first one cannot have arrived.
for lost in (httpx.ReadError("cut"), PAGE, problem(503, "unavailable")):
    seen, client = answering(lost)
    raised(tq.TaskQueueError, lambda: client.keys.issue(name="new"))  # noqa: B023  # called at once
    assert len(seen) == 1
seen, client = answering(httpx.ConnectError("away"), problem(429, "rate_limited"), httpx.Response(204))
client.keys.revoke("abc")
assert len(seen) == 3

# What does not pass is raised at once, with everything that was said.
for status, code, kind in (
    (403, "tenant_suspended", tq.TenantSuspendedError),
    (429, "daily_quota", tq.QuotaExceededError),
    (410, "task_erased", tq.TaskErasedError),
    (409, "a_new_code", tq.ConflictError),
    (418, "a_new_code", tq.APIError),
):
    seen, client = answering(problem(status, code))
    refused = raised(kind, lambda: client.tasks.wait(TASK, 30))  # noqa: B023  # called at once
    assert (refused.status, refused.code, refused.title, refused.detail) == (status, code, "X", "Y")
    assert refused.members["limit"] == 3

# An API that stays away is an error that names its cause.
seen, client = answering(*[httpx.ConnectError("away") for _ in range(99)], retry_seconds=0.6)
assert "away" in str(raised(tq.ConnectionFailedError, client.limits))
assert len(seen) > 1

# What is no answer of the API's is not taken for one.
for stranger in (
    PAGE,
    httpx.Response(418),
    httpx.Response(302, headers={"location": "https://elsewhere.example"}),
    httpx.Response(200, text="<html>welcome</html>"),
    httpx.Response(200, json={"task_id": str(TASK)}),
    httpx.Response(200, json=[]),
    httpx.Response(500, text="{}", headers={"content-type": "application/problem+json"}),
):
    seen, client = answering(stranger, retry_seconds=0)
    raised(tq.UnexpectedAnswerError, lambda: client.tasks.get(TASK))  # noqa: B023  # called at once

# A stream of something else is refused, and a block that cannot be read is an error.
for other in (
    PAGE,
    httpx.Response(200, json={}),
    httpx.Response(200, text="data: {}\n\n", headers={"content-type": "text/event-stream"}),
):
    seen, client = answering(other, retry_seconds=0)
    raised(tq.UnexpectedAnswerError, lambda: next(client.events()))  # noqa: B023  # called at once
