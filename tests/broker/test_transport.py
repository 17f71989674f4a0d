"""The ring transport, through kombu's own producer and consumer."""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from kombu import Connection, Consumer, Message
from redis import Redis

from app.broker.queues import undeclared
from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from app.broker.take import TAKE
from app.broker.transport import RingChannel, RingTransport
from tests.broker.processes import eventually
from tests.broker.ring_helpers import RING, batch, in_ring, is_sound, publish, put, tenant_of, tenants, with_tickets


class Reader:
    """A kombu consumer that notes whose tickets it is given, and starts ``slots`` at once."""

    def __init__(self, connection: Connection, *queues: str) -> None:
        self.connection = connection
        self.heard: list[UUID] = []
        self.channel: Any = connection.default_channel
        self.consumer = Consumer(
            self.channel, [undeclared(queue) for queue in queues], on_message=self._note, accept=["json"]
        )
        self.consumer.consume()

    def allow(self, slots: int) -> None:
        self.channel.free_slots = lambda: slots

    def read(self) -> list[UUID]:
        """Wait for one delivery of the transport; return whose tickets came with it, none when none came."""
        before = len(self.heard)
        try:
            self.connection.drain_events(timeout=0.05)
        except TimeoutError:
            return []
        return self.heard[before:]

    def read_all(self) -> list[UUID]:
        before = len(self.heard)
        while self.read():
            pass
        return self.heard[before:]

    def _note(self, message: Message) -> None:
        message.ack()
        self.heard.append(UUID(message.payload[0][0]))


@pytest.fixture
def reader(connection: Connection) -> Iterator[Reader]:
    reader = Reader(connection, RING.queue)
    yield reader
    reader.consumer.cancel()


def test_published_ticket_joins_the_ring_and_is_read(broker: Celery, store: Redis, reader: Reader) -> None:
    [tenant] = tenants(1)
    publish(broker, tenant)
    assert in_ring(store) == [queue_name(tenant, PREFORK)]
    assert reader.read() == [tenant]
    assert not store.keys("tenant*")


def test_batch_publishes_into_the_ring(broker: Celery, store: Redis, reader: Reader) -> None:
    three = tenants(3)
    with batch(broker, max_size=4) as producer:
        for tenant in three * 2:
            publish(broker, tenant, producer=producer)
        assert len(with_tickets(store)) == 3  # the first four are on their way
    assert is_sound(store)
    assert sorted(reader.read_all()) == sorted(three * 2)


def test_take_rotates_over_the_tenants(store: Redis, reader: Reader) -> None:
    a, b, c = tenants(3)
    for tenant, count in ((a, 3), (b, 1), (c, 2)):
        put(store, tenant, count)
    assert reader.read_all() == [a, b, c, a, c, a]


def test_take_gets_as_many_tickets_as_there_are_free_slots(store: Redis, reader: Reader) -> None:
    a, b, c = tenants(3)
    for tenant in (a, b, c):
        put(store, tenant, 3)
    reader.allow(2)
    # No tenant loses its place where one take ends and the next begins.
    assert [reader.read() for _ in range(4)] == [[a, b], [c, a], [b, c], [a, b]]


def test_take_never_exceeds_the_prefetch_limit(store: Redis, reader: Reader) -> None:
    put(store, tenants(1)[0], 10)
    reader.allow(8)
    reader.consumer.qos(prefetch_count=3)
    assert len(reader.read()) == 3


def test_a_tenant_ahead_of_its_share_is_passed_over_while_others_are_in_the_ring(store: Redis, reader: Reader) -> None:
    a, ahead, b = tenants(3)
    for tenant, count in ((a, 2), (ahead, 3), (b, 1)):
        put(store, tenant, count)
    store.sadd(RING.ahead, queue_name(ahead, PREFORK))
    reader.allow(2)
    assert reader.read() == [a, b]
    # No slot stays idle, and nobody is passed over for nobody.
    assert reader.read() == [a, ahead]
    assert reader.read() == [ahead, ahead]
    assert is_sound(store)


def test_when_all_tenants_are_ahead_of_their_shares_each_is_served(store: Redis, reader: Reader) -> None:
    three = tenants(3)
    for tenant in three:
        put(store, tenant, 2)
        store.sadd(RING.ahead, queue_name(tenant, PREFORK))
    reader.allow(2)
    assert reader.read_all() == three * 2


def test_a_newcomer_waits_for_the_tenants_in_the_ring(store: Redis, reader: Reader) -> None:
    a, b, newcomer = tenants(3)
    put(store, a, 2)
    put(store, b, 2)
    reader.read()
    put(store, newcomer)
    assert reader.read_all() == [b, a, newcomer, b]


def test_queue_that_another_worker_emptied_leaves_the_ring(store: Redis, reader: Reader) -> None:
    emptied, other = tenants(2)
    store.delete(put(store, emptied))
    put(store, other)
    assert reader.read() == [other]
    assert is_sound(store)


@pytest.mark.parametrize("stale", [1, 1000])
def test_stale_entries_never_stop_a_worker(store: Redis, reader: Reader, stale: int) -> None:
    for tenant in tenants(stale):
        store.delete(put(store, tenant))
    [waiting] = tenants(1)
    put(store, waiting)
    eventually(reader.read)
    assert reader.heard == [waiting]
    assert is_sound(store)


def test_one_take_sweeps_many_stale_entries(store: Redis) -> None:
    for tenant in tenants(50):
        store.delete(put(store, tenant))
    [waiting] = tenants(1)
    put(store, waiting)
    taken = store.eval(TAKE.text, 3, RING.order, RING.members, RING.ahead, 1, "")
    queue, ticket = taken
    assert (queue, tenant_of(ticket)) == (queue_name(waiting, PREFORK), waiting)


def test_doubled_entry_is_harmless_and_goes_when_the_queue_is_empty(store: Redis, reader: Reader) -> None:
    twice, once = tenants(2)
    store.lpush(RING.order, put(store, twice, 3))
    put(store, once, 2)
    heard = reader.read_all()
    assert sorted(heard) == sorted([twice] * 3 + [once] * 2)
    assert is_sound(store)


def test_text_that_is_no_message_is_dropped(store: Redis, reader: Reader) -> None:
    a, b = tenants(2)
    store.rpush(put(store, a), "{")
    put(store, b)
    reader.allow(3)
    assert reader.read() == [b, a]


def test_one_consumer_serves_both_rings_and_a_tenant(store: Redis, connection: Connection) -> None:
    prefork, asyncio, own = tenants(3)
    put(store, own)
    put(store, prefork, 2)
    put(store, asyncio, 2, pool=ASYNCIO)
    reader = Reader(connection, RING.queue, RINGS[ASYNCIO].queue, queue_name(own, PREFORK))
    assert sorted(reader.read_all()) == sorted([prefork] * 2 + [asyncio] * 2 + [own])
    assert not store.keys("tenant*")


def test_one_consumer_alternates_between_its_queues(store: Redis, connection: Connection) -> None:
    prefork, asyncio = tenants(2)
    put(store, prefork, 3)
    put(store, asyncio, 3, pool=ASYNCIO)
    heard = Reader(connection, RING.queue, RINGS[ASYNCIO].queue).read_all()
    assert heard == [prefork, asyncio] * 3


def test_consumer_of_a_tenants_queue_takes_nothing_else(store: Redis, connection: Connection) -> None:
    own, other = tenants(2)
    put(store, own, 2)
    queue = put(store, other)
    assert Reader(connection, queue_name(own, PREFORK)).read_all() == [own, own]
    assert with_tickets(store) == {queue}


@pytest.mark.parametrize("queues", [(RING.queue,), (RING.queue, RINGS[ASYNCIO].queue)])
def test_closing_consumer_leaves_the_ring_as_it_is(broker: Celery, store: Redis, queues: tuple[str, ...]) -> None:
    with broker.connection_for_read() as connection:
        reader = Reader(connection, *queues)
        assert reader.read() == []  # now it waits
        put(store, tenants(1)[0], 2)
    assert is_sound(store)
    assert store.llen(in_ring(store)[0]) == 2


def test_closing_a_consumer_does_not_sit_out_its_wait(broker: Celery) -> None:
    with broker.connection_for_read() as connection:
        assert Reader(connection, RING.queue).read() == []
        begun = time.monotonic()
    assert time.monotonic() - begun < RingTransport.brpop_timeout / 2


def test_a_queue_that_joins_the_ring_while_a_consumer_closes_keeps_its_place(
    broker: Celery, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = RingChannel.close

    def join_and_close(channel: RingChannel) -> None:
        drop_connection = channel.client.connection.disconnect

        def join_first(*args: object) -> None:
            put(store, tenants(1)[0])
            drop_connection(*args)

        monkeypatch.setattr(channel.client.connection, "disconnect", join_first)
        close(channel)

    with broker.connection_for_read() as connection:
        assert Reader(connection, RING.queue).read() == []
        monkeypatch.setattr(RingChannel, "close", join_and_close)
    assert in_ring(store) != []
    assert is_sound(store)


def test_rejected_ticket_goes_back_into_the_ring(store: Redis, connection: Connection) -> None:
    [tenant] = tenants(1)
    put(store, tenant)
    consumer = Consumer(connection, [undeclared(RING.queue)], accept=["json"])
    consumer.register_callback(lambda _body, message: message.requeue())
    with consumer:
        connection.drain_events(timeout=1)
    assert is_sound(store)
    assert in_ring(store) == [queue_name(tenant, PREFORK)]


def test_ticket_that_a_lost_worker_held_is_not_put_back(broker: Celery, store: Redis) -> None:
    put(store, tenants(1)[0])
    with broker.connection_for_read() as connection:
        consumer = Consumer(connection, [undeclared(RING.queue)], on_message=lambda _message: None)
        consumer.consume()
        connection.drain_events(timeout=1)
    assert not store.keys("tenant*")


def test_script_that_redis_has_lost_is_sent_again(store: Redis, reader: Reader) -> None:
    [tenant] = tenants(1)
    put(store, tenant, 2)
    assert reader.read() == [tenant]
    store.script_flush()
    assert reader.read() == [tenant]


def test_ring_itself_takes_no_messages(broker: Celery) -> None:
    with pytest.raises(ValueError, match="publish to the queue of a tenant"):
        broker.send_task("run_next", args=["x"])


def test_publishing_declares_and_remembers_nothing(broker: Celery, store: Redis) -> None:
    for tenant in tenants(3):
        publish(broker, tenant)
    assert not store.keys("_kombu*")
    assert list(broker.amqp.queues) == [RING.queue]


def test_ring_set_and_lists_agree_after_a_thousand_random_steps(broker: Celery, store: Redis, reader: Reader) -> None:
    chance = random.Random(7)
    everyone = tenants(12)
    steps: list[Callable[[], object]] = [
        lambda: publish(broker, chance.choice(everyone)),
        lambda: put(store, chance.choice(everyone), chance.randint(1, 4)),
        partial(publish_some, broker, chance, everyone),
        lambda: reader.allow(chance.randint(1, 5)),
        *[lambda: store.exists(RING.order) and reader.read()] * 4,
    ]
    for _ in range(1000):
        chance.choice(steps)()
        assert is_sound(store)
    reader.read_all()
    assert not store.keys("tenant*")


def publish_some(broker: Celery, chance: random.Random, everyone: list[UUID]) -> None:
    """Publish for a few tenants in one batch."""
    with batch(broker) as producer:
        for tenant in chance.sample(everyone, 3):
            publish(broker, tenant, producer=producer)
