"""Whatever lies in a tenant's queue, the worker drops it with a warning, and goes on."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from redis import Redis

from app.broker import envelope
from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from app.broker.ticket_consumer import TicketConsumer
from tests.broker.processes import Worker, eventually
from tests.broker.ring_helpers import RING, put, tenants
from tests.broker.test_envelope import IDS
from tests.broker.test_transport import Reader
from tests.broker.test_workers import wait_for_runs

TENANT = UUID(int=7)
QUEUE = queue_name(TENANT, PREFORK)


def _altered(path: str, value: Any) -> str:
    """Return a ticket that says something else in one place."""
    message = json.loads(envelope.ticket(TENANT, QUEUE))
    *outer, last = path.split(".")
    place = message
    for name in outer:
        place = place[name]
    place[last] = value
    return json.dumps(message)


def _body(document: Any) -> str:
    return b64encode(json.dumps(document).encode()).decode()


_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
RUBBISH: dict[str, str | bytes] = {
    "nothing": "",
    "text": "rubbish",
    "an array": "[]",
    "an object": "{}",
    "a number": "5",
    "a text of JSON": '"x"',
    "null": "null",
    "NaN": "NaN",
    "bytes": b"\x00\xff\x80\xfe",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00",
    "depth": "[" * 100_000,
    "depth of objects": '{"a":' * 100_000,
    "huge": json.dumps({"body": "x" * 5_000_000}),
    "huge number": "9" * 100_000,
    "no properties": json.dumps({"body": "", "headers": {}}),
    "properties of another type": _altered("properties", []),
    "headers of another type": _altered("headers", 5),
    "no delivery tag": _altered("properties.delivery_tag", None),
    "delivery info of another type": _altered("properties.delivery_info", "x"),
    "another queue": _altered("properties.delivery_info", {"exchange": "", "routing_key": "celery"}),
    "another tenant's queue": _altered(
        "properties.delivery_info", {"exchange": "", "routing_key": queue_name(UUID(int=8), PREFORK)}
    ),
    "no routing key": _altered("properties.delivery_info", {}),
    "body encoding of another type": _altered("properties.body_encoding", 5),
    "unknown body encoding": _altered("properties.body_encoding", "rot13"),
    "another content type": _altered("content-type", "application/x-python-serialize"),
    "content type of another type": _altered("content-type", {}),
    "another content encoding": _altered("content-encoding", "utf-7"),
    "body that is no base64": _altered("body", "%%%"),
    "body of another type": _altered("body", 5),
    "no body": _altered("body", None),
    "body that is no JSON": _altered("body", b64encode(b"{").decode()),
    "body of bytes": _altered("body", b64encode(b"\xff\xfe").decode()),
    "body without arguments": _altered("body", _body([[], {}, _EMBED])),
    "body of two arguments": _altered("body", _body([[str(TENANT), 1], {}, _EMBED])),
    "body of a named argument": _altered("body", _body([[str(TENANT)], {"x": 1}, _EMBED])),
    "body with a callback": _altered("body", _body([[str(TENANT)], {}, _EMBED | {"callbacks": [{"task": "x"}]}])),
    "body of no tenant": _altered("body", _body([["x"], {}, _EMBED])),
    "body of another tenant type": _altered("body", _body([[5], {}, _EMBED])),
    "another task": _altered("headers.task", "celery.backend_cleanup"),
    "task of another type": _altered("headers.task", ["run_next"]),
    "id of another type": _altered("headers.id", 5),
    "id of half a pair": _altered("headers.id", "\ud800"),
    "root of another type": _altered("headers.root_id", {}),
    "eta of another type": _altered("headers.eta", 5),
    "eta of no time": _altered("headers.eta", "soon"),
    "far eta": _altered("headers.eta", "2099-01-01T00:00:00+00:00"),
    "expired": _altered("headers.expires", "2001-01-01T00:00:00+00:00"),
    "time limit of another type": _altered("headers.timelimit", "x"),
    "time limit": _altered("headers.timelimit", [0.001, 0.001]),
    "retries of another type": _altered("headers.retries", "x"),
    "group of another type": _altered("headers.group", 5),
    "another header": _altered("headers.replaced", value=True),
    "stamps": _altered("headers.stamped_headers", ["x"]),
    "priority of another type": _altered("properties.priority", "x"),
}


@pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_no_ticket(raw: str | bytes) -> None:
    assert envelope.read(raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass"), QUEUE) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_PLACES = [
    "body", "headers", "properties", "content-type", "content-encoding",
    *(f"headers.{name}" for name in json.loads(envelope.ticket(TENANT, QUEUE))["headers"]),
    *(f"properties.{name}" for name in json.loads(envelope.ticket(TENANT, QUEUE))["properties"]),
    "properties.delivery_info.routing_key", "properties.delivery_info.exchange", "extra", "headers.extra",
]  # fmt: skip


@given(st.sampled_from(_PLACES), _VALUES)
def test_a_ticket_that_was_altered_is_none_or_is_read_as_what_was_offered(place: str, value: Any) -> None:
    raw = _altered(place, value).encode()
    message = envelope.read(raw, QUEUE)
    assert envelope.read(raw, queue_name(UUID(int=8), PREFORK)) is None
    if message is not None:
        # Of what Celery and kombu act on it says what was offered.
        offered = json.loads(envelope.ticket(TENANT, QUEUE))
        for part, names in IDS.items():
            assert all(isinstance(message[part][name], str) for name in names)
            offered[part] |= {name: message[part][name] for name in names}
        assert message == offered


@given(st.binary(max_size=200) | _VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_ticket_or_none(raw: bytes) -> None:
    assert envelope.read(raw, QUEUE) is None


@pytest.mark.parametrize("queue_of", [lambda _: RING.queue, str], ids=["ring", "own queue"])
def test_what_is_no_ticket_is_dropped_with_one_warning_that_names_the_queue(
    store: Redis, connection: Connection, caplog: pytest.LogCaptureFixture, queue_of: Callable[[str], str]
) -> None:
    [tenant] = tenants(1)
    queue = put(store, tenant)
    reader = Reader(connection, queue_of(queue))
    reader.allow(4)
    for raw in RUBBISH.values():
        store.rpush(queue, raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw)
    put(store, tenant)
    with caplog.at_level(logging.WARNING, "app.broker"):
        while store.exists(queue):
            reader.read()
        reader.read_all()
    assert reader.heard == [tenant, tenant]
    said = [record for record in caplog.records if record.name.startswith("app.broker")]
    assert len(said) == len(RUBBISH)
    assert {record.__dict__["queue"] for record in said} == {queue}
    assert not store.exists(queue)


@pytest.mark.parametrize("make", ["set", "sadd", "hset"])
@pytest.mark.parametrize("queue_of", [lambda _: RING.queue, str], ids=["ring", "own queue"])
def test_a_queue_that_is_no_list_is_dropped(
    store: Redis, connection: Connection, make: str, queue_of: Callable[[str], str]
) -> None:
    odd, other = tenants(2)
    queue = put(store, odd)
    reader = Reader(connection, queue_of(queue), *([] if queue_of(queue) == RING.queue else [RING.queue]))
    store.delete(queue)
    getattr(store, make)(queue, *(["a", "b"] if make == "hset" else ["a"]))
    put(store, other)
    eventually(reader.read)
    assert reader.heard == [other]
    assert not store.exists(queue)
    put(store, odd)
    eventually(reader.read)
    assert reader.heard == [other, odd]


async def test_a_slot_that_takes_from_the_ring_itself_drops_it_too(
    astore: redis.asyncio.Redis, store: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    odd, other = tenants(2)
    queue = put(store, odd)
    store.delete(queue)
    store.rpush(queue, "[" * 100_000, "{}")
    put(store, other)
    consumer = TicketConsumer(astore, [RING.queue])
    with caplog.at_level(logging.WARNING, "app.broker"):
        assert await consumer.take(PREFORK, 3, seconds=5) == [other]
    assert [record.__dict__["queue"] for record in caplog.records] == [queue, queue]


def test_tickets_are_offered_into_a_queue_that_is_no_list(store: Redis) -> None:
    [odd] = tenants(1)
    store.set(queue_name(odd, PREFORK), "x")
    put(store, odd, 2)
    assert store.llen(queue_name(odd, PREFORK)) == 2


def test_the_same_ticket_twice_is_two_hints(store: Redis, connection: Connection) -> None:
    [tenant] = tenants(1)
    queue = put(store, tenant)
    store.rpush(queue, store.lindex(queue, 0))
    reader = Reader(connection, RING.queue)
    reader.allow(2)
    assert reader.read_all() == [tenant, tenant]


def test_workers_go_on_whatever_lies_in_a_queue(
    served_broker: Celery, served: Redis, workers: dict[str, Worker], dedicated_tenant: UUID
) -> None:
    before = {name: worker.log.read_text() for name, worker in workers.items()}
    shared = uuid4()
    queues = [put(served, shared), put(served, dedicated_tenant), put(served, uuid4(), pool=ASYNCIO)]
    for raw in RUBBISH.values():
        for queue in queues:
            served.rpush(queue, raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw)
    put(served, shared)
    put(served, dedicated_tenant)
    ran = wait_for_runs(served, 4)
    assert sorted(tenant for _, tenant in ran) == sorted([shared, shared, dedicated_tenant, dedicated_tenant])
    for name, worker in workers.items():
        assert worker.process.poll() is None
        said = worker.log.read_text().removeprefix(before[name])
        for word in ("Unrecoverable", "Connection to broker lost", "Traceback", "CRITICAL", "Received unregistered"):
            assert word not in said
    served.delete(queues[2], RINGS[ASYNCIO].order, RINGS[ASYNCIO].members)
