"""Lease calls that wait, over HTTP. A call is known to wait because it has taken the tenant's only place for polls."""

import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until
from tests.remote.conftest import Crew, crew_of

# Longer than any test waits: a poll that ends earlier ends for a reason.
LONG = 30


class Waiting:
    """A tenant with a limit of polls that wait, and calls in the background."""

    def __init__(self, crew: Crew, threads: ThreadPoolExecutor, set_limit: Callable[[int], None]) -> None:
        self.crew = crew
        self._threads = threads
        self._set_limit = set_limit
        self._limit = 0

    def limit(self, polls: int) -> None:
        """Let so many polls wait."""
        self._set_limit(polls)
        self._limit = polls
        wait_until(lambda: self._told() == polls, "the new limit", 10)

    def _told(self) -> Any:
        limits = self.crew.tenant.client.get("/api/limits").json()["items"]
        return next(one["limit"] for one in limits if one["name"] == "parked_polls")

    def poll(self, *tasks: str, wait: float = LONG, **more: Any) -> "Future[dict[str, Any]]":
        """Make a lease call that waits, in the background."""
        body = {"worker": "w", "tasks": list(tasks), "wait_seconds": wait, **more}
        return self._threads.submit(lambda: dict(_post(self.crew, body).json()))

    def refusal(self, task: str) -> dict[str, Any] | None:
        """Make one more call that waits for hardly any time; return how it is refused."""
        body = {"worker": "w", "tasks": [task], "wait_seconds": 0.001}
        response = self.crew.client.post("/api/work/lease", json=body)
        return None if response.status_code == 200 else {**response.json(), "status": response.status_code}

    def parked(self, task: str) -> None:
        """Wait until as many polls wait as may."""
        wait_until(lambda: self.refusal(task) is not None, "polls that wait", 20)


def _post(crew: Crew, body: dict[str, Any], **more: Any) -> httpx.Response:
    """Make a lease call, again while there is no place for it: the call that asks for a refusal may have it just now."""
    answers: list[httpx.Response] = []

    def is_placed() -> bool:
        answers.append(crew.client.post("/api/work/lease", json=body, **more))
        return answers[-1].status_code != 429

    wait_until(is_placed, "a place", LONG)
    return answers[-1]


@pytest.fixture(scope="module")
def waiting(make_tenant: Callable[..., Tenant], stack: Stack, admin: Callable[..., Any]) -> Iterator[Waiting]:
    """A tenant whose polls are counted."""
    tenant = make_tenant("waiting")
    with crew_of(tenant, stack).client as client, ThreadPoolExecutor(8) as threads:
        yield Waiting(
            Crew(tenant, client),
            threads,
            lambda polls: admin("tenant", "set-limit", "waiting", f"parked_polls={polls}").check_returncode(),
        )


def test_a_poll_that_waits_leases_a_task_that_is_submitted_later(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(1)
    crew.declare("later.on")
    poll = waiting.poll("later.on")
    waiting.parked("later.on")
    assert not poll.done()
    task_id = crew.tenant.submit(task="later.on")
    answer = poll.result(LONG)
    [leased] = answer["leases"]
    assert (leased["task_id"], leased["attempt"], answer["quiet"]) == (task_id, 1, False)
    assert crew.finish(lease=leased["lease"], result=1)["outcome"] == "ended"


def test_of_two_polls_one_gets_the_one_task_and_the_other_waits_on(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(2)
    crew.declare("scarce")
    polls = [waiting.poll("scarce") for _ in range(2)]
    waiting.parked("scarce")
    first = crew.tenant.submit(task="scarce")
    wait_until(lambda: any(poll.done() for poll in polls), "the poll that gets the task", LONG)
    [won] = [poll for poll in polls if poll.done()]
    [lost] = [poll for poll in polls if not poll.done()]
    second = crew.tenant.submit(task="scarce")
    assert [poll.result(LONG)["leases"][0]["task_id"] for poll in (won, lost)] == [first, second]
    for poll in polls:
        crew.finish(lease=poll.result()["leases"][0]["lease"])


def test_one_batch_wakes_as_many_polls_as_it_has_tasks(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(3)
    crew.declare("many")
    polls = [waiting.poll("many") for _ in range(3)]
    waiting.parked("many")
    made = crew.tenant.client.post("/api/tasks/batch", json={"tasks": [{"task": "many"}] * 3})
    assert made.status_code == 202, made.text
    leased = [poll.result(LONG)["leases"] for poll in polls]
    assert [len(some) for some in leased] == [1, 1, 1]
    crew.post("finish", results=[{"lease": one["lease"]} for some in leased for one in some])


def test_a_submit_of_another_tenant_ends_no_poll(waiting: Waiting, rival: Crew):
    crew = waiting.crew
    waiting.limit(1)
    for each in (crew, rival):
        each.declare("namesake")
    poll = waiting.poll("namesake")
    waiting.parked("namesake")
    foreign = rival.tenant.submit(task="namesake")
    leased = rival.lease_one("namesake")
    assert leased["task_id"] == foreign
    rival.finish(lease=leased["lease"])
    assert not poll.done()
    own = crew.tenant.submit(task="namesake")
    [leased] = poll.result(LONG)["leases"]
    assert leased["task_id"] == own
    crew.finish(lease=leased["lease"])


def test_a_poll_beyond_the_limit_is_refused_and_one_that_does_not_wait_is_not(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(1)
    crew.declare("full.house")
    poll = waiting.poll("full.house")
    waiting.parked("full.house")
    refusal = waiting.refusal("full.house")
    assert refusal is not None
    assert (refusal["status"], refusal["code"], refusal["limit"]) == (429, "too_many_polls", 1)
    assert crew.lease("full.house") == []
    crew.tenant.submit(task="full.house")
    [leased] = poll.result(LONG)["leases"]
    crew.finish(lease=leased["lease"])
    wait_until(lambda: waiting.refusal("full.house") is None, "the place of a poll that has ended", 10)


def test_a_client_that_closes_its_connection_leaves_at_once(waiting: Waiting, stack: Stack):
    crew = waiting.crew
    waiting.limit(1)
    crew.declare("hang.up")
    request = crew.client.build_request(
        "POST", "/api/work/lease", json={"worker": "caller", "tasks": ["hang.up"], "wait_seconds": LONG}
    )
    address = urlsplit(stack.url)
    lines = [b"POST /api/work/lease HTTP/1.1", *(b"%s: %s" % pair for pair in request.headers.raw)]
    wait_until(lambda: waiting.refusal("hang.up") is None, "a free place", 10)
    with socket.create_connection((address.hostname, address.port or 80)) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + request.content)
        wait_until(lambda: _is_listed(crew, "caller"), "the call", 20)
        waiting.parked("hang.up")
    wait_until(lambda: waiting.refusal("hang.up") is None, "the place of the client that has gone", 20)
    task_id = crew.tenant.submit(task="hang.up")
    leased = crew.lease_one("hang.up")
    assert (leased["task_id"], leased["attempt"]) == (task_id, 1)
    crew.finish(lease=leased["lease"])


def test_a_poll_without_a_task_ends_empty(waiting: Waiting):
    waiting.crew.declare("idle")
    answer = waiting.crew.post("lease", worker="w", tasks=["idle"], wait_seconds=0.3)
    assert answer == {"leases": [], "quiet": False, "lost": []}


def test_a_paused_queue_answers_quiet_and_a_resumed_one_wakes_the_poll(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(1)
    crew.declare("paused")
    assert crew.tenant.client.post("/api/queue/pause").status_code == 200
    task_id = crew.tenant.submit(task="paused")
    try:
        answer = crew.post("lease", worker="w", tasks=["paused"], wait_seconds=0.3)
        assert (answer["leases"], answer["quiet"]) == ([], True)
        poll = waiting.poll("paused")
        waiting.parked("paused")
        assert not poll.done()
    finally:
        assert crew.tenant.client.post("/api/queue/resume").status_code == 200
    [leased] = poll.result(LONG)["leases"]
    assert leased["task_id"] == task_id
    crew.finish(lease=leased["lease"])


def test_a_poll_of_a_revoked_key_leases_nothing(waiting: Waiting):
    crew = waiting.crew
    waiting.limit(1)
    crew.declare("revoked")
    made = crew.tenant.client.post("/api/keys", json={"name": "short", "scopes": ["tasks:work"]}).json()
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    body = {"worker": "w", "tasks": ["revoked"], "wait_seconds": LONG}
    with ThreadPoolExecutor(1) as thread:
        poll = thread.submit(_post, crew, body, headers=headers)
        waiting.parked("revoked")
        assert crew.tenant.client.delete(f"/api/keys/{made['key_id']}").status_code == 204
        wait_until(lambda: _is_refused(crew, headers), "the end of the key", 10)
        task_id = crew.tenant.submit(task="revoked")
        assert poll.result(LONG).status_code == 401
    leased = crew.lease_one("revoked")
    assert (leased["task_id"], leased["attempt"]) == (task_id, 1)
    crew.finish(lease=leased["lease"])


def _is_refused(crew: Crew, headers: dict[str, str]) -> bool:
    body = {"worker": "w", "tasks": ["revoked"]}
    return crew.client.post("/api/work/lease", json=body, headers=headers).status_code == 401


@pytest.mark.parametrize("seconds", [-1, 31, "1"])
def test_the_seconds_to_wait_are_bounded(crew: Crew, seconds: Any):
    crew.declare("bounded")
    response = crew.client.post("/api/work/lease", json={"worker": "w", "tasks": ["bounded"], "wait_seconds": seconds})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/wait_seconds")


def test_a_finish_does_not_wait(crew: Crew):
    more = {"worker": "w", "tasks": ["bounded"], "wait_seconds": 1}
    response = crew.client.post("/api/work/finish", json={"results": [{"lease": "x"}], "lease_more": more})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/lease_more/wait_seconds")


def test_a_server_that_stops_answers_its_polls(crew: Crew, stack: Stack):
    crew.declare("drained")
    port = ports.free_port()
    stack.start(
        "api-drained", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log",
        "--http", "app.http.protocol_limits:GuardedProtocol",
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), "another api")
        body = {"worker": "on-its-way-out", "tasks": ["drained"], "wait_seconds": LONG}
        with ThreadPoolExecutor(1) as thread:
            headers = {"Authorization": crew.client.headers["Authorization"]}
            poll = thread.submit(
                httpx.post, f"{url}/api/work/lease", json=body, headers=headers, timeout=60, trust_env=False
            )
            wait_until(lambda: _is_listed(crew, "on-its-way-out"), "the poll", 20)
            stack.processes["api-drained"].send_signal(signal.SIGTERM)
            response = poll.result(LONG)
            assert (response.status_code, response.json()["leases"]) == (200, [])
    finally:
        stack.stop("api-drained")


def _is_listed(crew: Crew, worker: str) -> bool:
    return worker in [one["worker"] for one in crew.client.get("/api/work/workers").json()["items"]]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
