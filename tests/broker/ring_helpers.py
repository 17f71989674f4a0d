"""What the tests of the ring have in common: naming tenants, putting tickets, reading the ring."""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from celery import Celery
from kombu import Producer
from redis import Redis

from app.broker.envelope import TICKET_TASK, ticket
from app.broker.ring import PREFORK, PUSH, RINGS, queue_name

RING = RINGS[PREFORK]


def tenants(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


def put(store: Redis, tenant_id: UUID, count: int = 1, pool: str = PREFORK) -> str:
    """Put tickets into the tenant's queue, and say what it is called."""
    queue, ring = queue_name(tenant_id, pool), RINGS[pool]
    tickets = [ticket(tenant_id, queue) for _ in range(count)]
    store.eval(PUSH.text, 3, ring.order, ring.members, queue, 10**6, count, *tickets)
    return queue


def publish(app: Celery, tenant_id: UUID, producer: Producer | None = None) -> None:
    """Publish a ticket as Celery does."""
    queue = queue_name(tenant_id, PREFORK)
    app.tasks[TICKET_TASK].apply_async(args=(str(tenant_id),), queue=queue, producer=producer)


@contextmanager
def batch(app: Celery, max_size: int = 100) -> Iterator[Producer]:
    """Publish in a ``Producer.batch``, which must not have fallen back to publishing one by one."""
    with app.producer_pool.acquire() as acquired:
        producer: Any = acquired
        assert producer.supports_batch_publish
        with producer.batch(max_size=max_size):
            yield producer


def tenant_of(body: str | bytes) -> UUID:
    """Read whose ticket it is."""
    message = json.loads(body)
    return UUID(json.loads(b64decode(message["body"]))[0][0])


def in_ring(store: Redis) -> list[str]:
    """Return the queues in the ring, the next one first."""
    return [str(queue) for queue in reversed(store.lrange(RING.order, 0, -1))]


def with_tickets(store: Redis) -> set[str]:
    """Name every queue that holds a ticket."""
    return set(store.scan_iter("tenant.*"))


def is_sound(store: Redis) -> bool:
    """Return whether ring, set and lists agree, with each queue once."""
    order = in_ring(store)
    return len(order) == len(set(order)) and set(order) == store.smembers(RING.members) == with_tickets(store)
