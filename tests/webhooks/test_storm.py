"""A storm: tasks end while their endpoints hang, fail, redirect, reset, drip, flood, are gone or get disabled.

Each delivery ends as the schedule says, and after the acts of repair each endpoint that answers has each event.
The schedule is compressed by the setting ``WEBHOOK_TIME_SCALE``; the code is the same.
"""

import json
import socket
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.core import ids, secrets
from app.tenants import webhook_secrets
from app.tenants.sealed_values import ENDPOINT_SECRET
from tests.conftest import Stack, Tenant, wait_until
from tests.http_requests.conftest import start as start_http
from tests.webhooks.conftest import Deliverer, Rows
from tests.webhooks.node import verify_with_node
from tests.webhooks.receiver import Handler, Received, Receiver, Response, flood, hang, raw, status

# The three days of a schedule take 2.7 s, and the five days until an endpoint is disabled 4.3 s.
_SETTINGS = {"WEBHOOK_TIME_SCALE": "0.00001", "WEBHOOK_TIMEOUT_SECONDS": "0.25"}
_ATTEMPTS = 10


def _reset(handler: Handler) -> None:
    """Reset the connection."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _answers(receiver: Receiver) -> dict[str, Response]:
    inward = f"http://127.0.0.1:{receiver.port}/inward"
    return {
        "well": status(200, body=b"thanks"),
        "disabled": status(204),
        "flood": flood(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", b"x" * 1_024),
        "hang": hang,
        "error": status(500, body=b"no\0\xff"),
        "redirect": status(307, {"Location": inward}),
        "reset": _reset,
        "drip": raw(*[b"H"] * 100, pause=0.1),
        "gone": status(410),
        "slow": raw(b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 100, pause=0.05),
    }


_DELIVERED = {"well", "flood"}
"""Behaviours with which every delivery arrives."""
_CALLED = "/called"
_PLAIN = "/plain"
"""The webhook_url of some tasks. It has no endpoint, so it is never disabled: all attempts are made."""


@dataclass
class Endpoint:
    """An endpoint, its behaviour and the tag of the tasks that it hears of."""

    id: UUID
    path: str
    behaviour: str
    secret: str


class Storm:
    """Twenty endpoints of one tenant."""

    def __init__(self, tenant: Tenant, rows: Rows, receiver: Receiver, environment: dict[str, str]) -> None:
        self.tenant, self.rows, self.receiver = tenant, rows, receiver
        self.keys = secrets.load(Path(environment["SECRETS_FILE"]))
        answers = _answers(receiver)
        self.endpoints = [
            self._make(f"/{behaviour}-{number}", behaviour, answer)
            for number in range(2)
            for behaviour, answer in answers.items()
        ]

    def _make(self, path: str, behaviour: str, answer: Response) -> Endpoint:
        tenant_id, endpoint_id, secret_id = UUID(self.tenant.tenant_id), ids.new_id(), ids.new_id()
        text = webhook_secrets.generate()
        self.rows.fetch(
            "INSERT INTO endpoint (tenant_id, id, url, event_types, filter_tags, after_seq)"
            " VALUES ($1, $2, $3, '{task.succeeded,task.failed,task.revoked}', $4, 0)",
            tenant_id, endpoint_id, self.receiver.on(path, answer), [path],
        )  # fmt: skip
        self.rows.fetch(
            "INSERT INTO endpoint_secret (tenant_id, endpoint_id, id, sealed) VALUES ($1, $2, $3, $4)",
            tenant_id, endpoint_id, secret_id,
            webhook_secrets.seal(text, tenant_id, secret_id, self.keys, ENDPOINT_SECRET),
        )  # fmt: skip
        self.rows.fetch("UPDATE tenant_slots SET features = features | 2 WHERE tenant_id = $1", tenant_id)
        return Endpoint(endpoint_id, path, behaviour, text)

    def submit(self, each: int, between: Callable[[], None] = lambda: None) -> None:
        """Submit so many tasks for each endpoint, in batches, and do something after each of them."""
        plain = {"webhook_url": self.receiver.on(_PLAIN, status(503))}
        tasks = [
            {
                "task": "echo",
                "payload": number,
                "tags": [endpoint.path],
                **(plain if endpoint.behaviour == "well" else {}),
            }
            for number in range(each)
            for endpoint in self.endpoints
        ]
        for first in range(0, len(tasks), 100):
            made = self.tenant.client.post("/api/tasks/batch", json={"tasks": tasks[first : first + 100]})
            assert made.status_code == 202, made.text
            between()

    def call(self, count: int) -> list[str]:
        """Submit tasks that send requests, which no endpoint hears of; return their ids."""
        url = self.receiver.on(_CALLED, raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause=0.5))
        return [self.tenant.submit(task="http_request", payload={"url": url, "json": n}) for n in range(count)]

    def events(self) -> dict[str, set[str]]:
        """Return the webhook-ids of the events that have happened, by the path of their endpoint."""
        found: dict[str, set[str]] = {endpoint.path: set() for endpoint in self.endpoints}
        for row in self.rows.fetch(
            "SELECT t.tags[1] AS path, event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at) AS id"
            " FROM event e JOIN task t ON t.tenant_id = e.tenant_id AND t.id = e.subject WHERE e.tenant_id = $1 AND e.type < 4"
            " AND t.tags[1] IS NOT NULL",
            UUID(self.tenant.tenant_id),
        ):
            found[row["path"]].add(f"msg_{row['id'].hex}")
        return found

    def deliveries(self) -> list[Any]:
        """Return the deliveries of the tenant."""
        return self.rows.fetch("SELECT * FROM delivery WHERE tenant_id = $1", UUID(self.tenant.tenant_id))

    def wait_for_the_end(self, count: int, seconds: float) -> None:
        """Wait until there are so many deliveries, and each has ended."""
        counted = "SELECT count(*) FILTER (WHERE status <> 'PENDING') AS n FROM delivery WHERE tenant_id = $1"
        wait_until(
            lambda: self.rows.fetch(counted, UUID(self.tenant.tenant_id))[0]["n"] == count, "the end of all", seconds
        )

    def free_claims(self) -> None:
        """Let the leases of a killed process end."""
        self.rows.fetch("UPDATE delivery SET due_at = now() WHERE status = 'PENDING' AND claim_token IS NOT NULL")

    def operate(self) -> None:
        """Run the acts of repair, in the dispatcher of the stack."""
        of_endpoints = [{"endpoint": str(endpoint.id), "since": "2020-01-01T00:00:00Z"} for endpoint in self.endpoints]
        acts = [
            *(("webhooks.recover", chosen) for chosen in of_endpoints),
            *(("webhooks.replay_missing", chosen) for chosen in of_endpoints),
            ("webhooks.resend", {"all": True}),
        ]
        for kind, chosen in acts:
            self.rows.fetch(
                "INSERT INTO operation (tenant_id, id, kind, filter, asked_by) VALUES ($1, $2, $3, $4, 'key')",
                UUID(self.tenant.tenant_id), ids.new_id(), kind, json.dumps(chosen),
            )  # fmt: skip
        running = "SELECT count(*) AS n FROM operation WHERE tenant_id = $1 AND finished_at IS NULL"
        wait_until(lambda: self.rows.fetch(running, UUID(self.tenant.tenant_id))[0]["n"] == 0, "the operations", 60)
        failed = "SELECT * FROM operation WHERE tenant_id = $1 AND (status <> 'SUCCEEDED' OR failed > 0)"
        assert self.rows.fetch(failed, UUID(self.tenant.tenant_id)) == []

    def repair(self) -> None:
        """Let every endpoint answer well and enable it."""
        for path in (_PLAIN, *(endpoint.path for endpoint in self.endpoints)):
            self.receiver.on(path, status(204))
        self.receiver.let_go.set()
        self.rows.fetch(
            "UPDATE endpoint SET enabled = true, disabled_at = NULL, disabled_by = NULL, failing_since = NULL"
            " WHERE tenant_id = $1",
            UUID(self.tenant.tenant_id),
        )


@pytest.fixture
def storm(make_tenant: Callable[..., Tenant], rows: Rows, receiver: Receiver, stack: Stack) -> Iterator[Storm]:
    made = Storm(make_tenant(f"storm-{uuid.uuid4().hex[:8]}"), rows, receiver, stack.environment)
    yield made
    rows.fetch("DELETE FROM delivery WHERE tenant_id = $1", UUID(made.tenant.tenant_id))
    rows.fetch("DELETE FROM endpoint WHERE tenant_id = $1", UUID(made.tenant.tenant_id))


def _weather(
    storm: Storm,
    start: Callable[..., Deliverer],
    each: int,
    seconds: float,
    between: Callable[[], None] = lambda: None,
) -> None:
    # Two endpoints are well, and their tasks have a webhook_url too.
    count, receiver = each * (len(storm.endpoints) + 2), storm.receiver
    victim = start(**_SETTINGS)
    storm.submit(each, between)
    wait_until(lambda: len(_of_webhooks(receiver)) >= count // 2, "the first requests")
    storm.rows.fetch(
        "UPDATE endpoint SET enabled = false, disabled_at = now(), disabled_by = 'tenant' WHERE id = ANY($1)",
        [endpoint.id for endpoint in storm.endpoints if endpoint.behaviour == "disabled"],
    )
    victim.kill()
    storm.free_claims()
    start(**_SETTINGS)
    storm.wait_for_the_end(count, seconds)
    _ended_as_the_schedule_says(storm, each)
    storm.repair()
    storm.operate()
    storm.wait_for_the_end(count, seconds)
    assert {row["status"] for row in storm.deliveries()} == {"DELIVERED"}
    _each_endpoint_has_each_event(storm)


def _of_webhooks(receiver: Receiver) -> list[Received]:
    return [request for request in receiver.requests if request.path != _CALLED]


def _ended_as_the_schedule_says(storm: Storm, each: int) -> None:
    behaviours = {endpoint.id: endpoint.behaviour for endpoint in storm.endpoints}
    disabled = {
        row["id"]: row["disabled_by"]
        for row in storm.rows.fetch("SELECT id, disabled_by FROM endpoint WHERE disabled_by IS NOT NULL")
    }
    counts = Counter(row["endpoint_id"] for row in storm.deliveries())
    assert counts == {**dict.fromkeys(behaviours, each), None: 2 * each}
    for row in storm.deliveries():
        behaviour, outcome = behaviours.get(row["endpoint_id"], "plain"), row["status"]
        if outcome == "SKIPPED":
            # A receiver that fails for the five days is disabled, and what is left for it is skipped.
            reason = {"gone": "gone", "disabled": "tenant"}.get(behaviour, "failing")
            assert disabled[row["endpoint_id"]] == reason
            continue
        assert outcome == ("DELIVERED" if behaviour in {*_DELIVERED, "disabled"} else "FAILED"), behaviour
        if outcome == "FAILED":
            # A killed attempt counts.
            assert row["attempt"] in ((1, 2) if behaviour == "gone" else (_ATTEMPTS,)), behaviour
    assert [disabled[one] for one, behaviour in behaviours.items() if behaviour == "gone"] == ["gone", "gone"]
    assert {row["status"] for row in storm.deliveries() if row["endpoint_id"] is None} == {"FAILED"}


def _each_endpoint_has_each_event(storm: Storm) -> None:
    events = storm.events()
    assert storm.receiver.got("/inward") == []
    signed = []
    for endpoint in storm.endpoints:
        got = storm.receiver.got(endpoint.path)
        # Each event, and nothing that did not happen.
        assert {request.delivery for request in got} == events[endpoint.path], endpoint.path
        for request in got:
            assert request.verify(endpoint.secret)["data"]["tags"] == [endpoint.path]
        signed += [(request, endpoint.secret) for request in got]
    of_tasks = [(request, storm.tenant.webhook_secret) for request in storm.receiver.got(_PLAIN)]
    for request, secret in of_tasks:
        request.verify(secret)
    # What is sent to two URLs has one webhook-id.
    well = (events[endpoint.path] for endpoint in storm.endpoints if endpoint.behaviour == "well")
    assert {request.delivery for request, _ in of_tasks} == set().union(*well)
    verify_with_node([*signed, *of_tasks])


def test_a_storm_loses_nothing(storm: Storm, start: Callable[..., Deliverer]):
    _weather(storm, start, each=2, seconds=40)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_storm_of_a_thousand_tasks_loses_nothing_while_every_process_is_killed(
    storm: Storm, start: Callable[..., Deliverer], stack: Stack
):
    start_http(stack)
    stack.wait_for_workers(2)
    called = storm.call(40)
    victims = iter(("worker", "dispatcher", "http", "api", "worker", "dispatcher", "http", "api"))

    def crash() -> None:
        if name := next(victims, None):
            stack.crash(name)
            # The next batch needs an api that answers.
            wait_until(lambda: _is_up(stack), "an api")

    try:
        _weather(storm, start, each=50, seconds=400, between=crash)
        assert next(victims, None) is None
        assert {storm.tenant.result(task_id)["status"] for task_id in called} == {"SUCCESS"}
        # Each of them once at least, and none that was not asked for.
        assert {request.headers["idempotency-key"] for request in storm.receiver.got(_CALLED)} == set(called)
        for request in storm.receiver.got(_CALLED):
            request.verify(storm.tenant.webhook_secret)
    finally:
        stack.stop("http")
        stack.wait_for_workers(1)


def _is_up(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
