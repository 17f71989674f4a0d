"""Processes that deliver are killed, stopped, doubled and cut off from Postgres: no event is lost."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.core import secrets
from app.db import Database
from app.outbound import resolver
from app.outbound.addresses import Address
from app.outbound.destinations import Destinations
from app.outbound.resolver import Resolver
from app.webhooks.delivery import in_flight
from app.webhooks.delivery.attempt import DeliveryAttempts
from app.webhooks.delivery.in_flight import Deliveries
from app.webhooks.delivery.sender import Sender
from tests.conftest import role_url, wait_until
from tests.webhooks.conftest import Customer, Deliverer, Rows, ended
from tests.webhooks.forwarder import Forwarder
from tests.webhooks.receiver import Receiver, hang, status

Start = Callable[..., Deliverer]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_without_an_allowed_network_nothing_of_ours_is_reached(
    rows: Rows, receiver: Receiver, customer: Customer, start: Start, host: str
):
    start(WEBHOOK_ALLOWED_NETWORKS="")
    [task_id] = rows.emit(ended(customer.id, f"https://{host}:{receiver.port}/hook"))
    [attempt] = rows.wait_for_attempts(task_id)
    assert attempt["response_status"] is None
    assert "on the internet" in attempt["error"]
    assert receiver.connections == 0
    assert receiver.requests == []


def test_what_a_killed_process_was_sending_is_sent_again_as_the_same_event(
    rows: Rows, receiver: Receiver, customer: Customer, start: Start
):
    victim = start()
    [task_id] = rows.emit(ended(customer.id, receiver.on("/hook", hang, status(204))))
    receiver.wait_for("/hook")
    victim.kill()
    start()
    leased = rows.delivery(task_id)
    assert (leased["status"], leased["attempt"]) == ("PENDING", 1)
    assert timedelta(seconds=30) < leased["due_in"] <= timedelta(seconds=60)
    rows.make_due(task_id)
    rows.wait_for(task_id)
    first, second = receiver.got("/hook")
    assert first.delivery == second.delivery
    assert first.body == second.body
    assert [a["attempt"] for a in rows.attempts(task_id)] == [2]


def test_a_process_that_is_told_to_stop_lets_what_it_sends_end_and_begins_nothing(
    rows: Rows, receiver: Receiver, customer: Customer, start: Start
):
    stopped = start()
    [slow] = rows.emit(ended(customer.id, receiver.on("/slow", hang)))
    receiver.wait_for("/slow")
    stopped.terminate()
    wait_until(lambda: bool(stopped.lines("webhooks end")), "the signal's arrival")
    [late] = rows.emit(ended(customer.id, f"{receiver.url}/late"))
    receiver.let_go.set()
    assert stopped.process.wait(5) == 0
    assert [rows.delivery(task_id)["status"] for task_id in (slow, late)] == ["DELIVERED", "PENDING"]
    assert receiver.got("/late") == []


async def test_what_does_not_end_in_time_is_given_back_for_another_process(
    environment: dict[str, str], rows: Rows, receiver: Receiver, customer: Customer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(in_flight, "_DRAIN_TIMEOUT", 0.3)
    database = Database("tq_webhook", size=2, url=role_url(environment, "tq_webhook"))
    sender = Sender(Destinations([ip_network("127.0.0.0/8")], frozenset()))
    attempts = DeliveryAttempts(database, sender, secrets.load(Path(environment["SECRETS_FILE"])))
    deliveries = Deliveries(database, attempts)
    url = receiver.on("/hangs", hang)
    [hanging] = await asyncio.to_thread(rows.emit, ended(customer.id, url))
    await deliveries.claim_due()
    await asyncio.to_thread(receiver.wait_for, "/hangs")
    await deliveries.drain()
    await database.close()
    given_back = await asyncio.to_thread(rows.delivery, hanging)
    assert (given_back["status"], given_back["attempt"], given_back["claim_token"]) == ("PENDING", 0, None)
    assert given_back["due_in"] <= timedelta(0)
    assert await asyncio.to_thread(rows.attempts, hanging) == []


async def test_a_host_that_could_not_be_looked_up_yet_costs_the_delivery_no_attempt(
    environment: dict[str, str], rows: Rows, customer: Customer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resolver, "_THREAD_TIMEOUT", 0.2)
    answer = threading.Event()

    def hang(_host: str) -> Sequence[Address]:
        answer.wait(20)
        return ()

    names = Resolver(hang)
    # Name servers that say nothing keep every thread busy, 4 of each of 16 tenants.
    busy = [asyncio.create_task(names.addresses(uuid.uuid4(), "slow.example.com")) for _ in range(64)]
    database = Database("tq_webhook", size=2, url=role_url(environment, "tq_webhook"))
    sender = Sender(Destinations((), frozenset()), resolver=names)
    attempts = DeliveryAttempts(database, sender, secrets.load(Path(environment["SECRETS_FILE"])))
    deliveries = Deliveries(database, attempts)
    [waiting] = await asyncio.to_thread(rows.emit, ended(customer.id, "https://quick.example.com/"))
    try:
        await deliveries.claim_due()
        await deliveries.drain()
        put_off = await asyncio.to_thread(rows.delivery, waiting)
        assert (put_off["status"], put_off["attempt"], put_off["claim_token"]) == ("PENDING", 0, None)
        assert timedelta(0) < put_off["due_in"] <= timedelta(seconds=2)
        assert await asyncio.to_thread(rows.attempts, waiting) == []
    finally:
        answer.set()
        await asyncio.gather(*busy, return_exceptions=True)
        await database.close()


def test_a_process_with_nothing_to_do_stops_at_once(start: Start):
    idle = start()
    wait_until(lambda: bool(idle.lines("webhooks are delivered")), "a start")
    began = time.monotonic()
    idle.terminate()
    assert idle.process.wait(5) == 0
    assert time.monotonic() - began < 3


def test_two_processes_send_each_event_once(
    rows: Rows, receiver: Receiver, customer: Customer, neighbour: Customer, start: Start
):
    both = [start(), start()]
    wait_until(lambda: all(one.lines("webhooks are delivered") for one in both), "two processes")
    tasks = [
        task_id
        for tenant in (customer, neighbour)
        for task_id in rows.emit(*(ended(tenant.id, f"{receiver.url}/{number % 20}") for number in range(100)))
    ]
    wait_until(lambda: _pending(rows) == 0, "every delivery")
    assert len(receiver.requests) == len({request.delivery for request in receiver.requests}) == len(tasks)
    assert all(one.lines("delivery") for one in both)
    assert sum(len(one.lines("delivery")) for one in both) == len(tasks)


def _pending(rows: Rows) -> int:
    [row] = rows.fetch("SELECT count(*) AS count FROM delivery WHERE status = 'PENDING'")
    return int(row["count"])


def test_a_process_waits_for_postgres_and_goes_on_when_it_is_back(
    rows: Rows, receiver: Receiver, customer: Customer, start: Start, environment: dict[str, str]
):
    url = urlsplit(role_url(environment, "tq_webhook"))
    wire = Forwarder(url.port or 0)
    moved = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{wire.port}").geturl()
    process = start(DATABASE_URL_TQ_WEBHOOK=moved)
    try:
        wait_until(lambda: bool(process.lines("webhooks wait for Postgres")), "a warning")
        rows.emit(ended(customer.id, receiver.on("/first", hang)))
        wire.up()
        receiver.wait_for("/first")
        # The answer comes while Postgres is away: it is written down when it is back, and not sent again.
        wire.down()
        receiver.let_go.set()
        wait_until(lambda: bool(process.lines("delivery not recorded yet")), "a record that waits")
        wire.up()
        [second] = rows.emit(ended(customer.id, f"{receiver.url}/second"))
        rows.wait_for(second)
        wait_until(lambda: _pending(rows) == 0, "the first delivery")
        assert [len(receiver.got(path)) for path in ("/first", "/second")] == [1, 1]
        assert process.process.poll() is None
    finally:
        wire.down()
