"""Celery's view of the queues: tenants' queues exist by their name alone and are never declared."""

from functools import partialmethod

from celery.app.amqp import AMQP, Queues
from kombu import Connection, Queue

from app.broker.ring import RING_BY_QUEUE, ring_of


def undeclared(name: str) -> Queue:
    """Return a queue that costs Redis no key: no binding is written, and none is read."""
    return Queue(name, routing_key=name, no_declare=True)


class TenantQueues(Queues):
    """Any tenant's queue is known, and none is remembered: a process may name thousands."""

    def __missing__(self, name: str) -> Queue:
        """Return the queue of a tenant, or a virtual one; any other name is created as Celery does."""
        if name in RING_BY_QUEUE or ring_of(name):
            return undeclared(name)
        return super().__missing__(name)


class SteadyConnection(Connection):
    """A connection that is tried again every few seconds, also after a long outage (kombu: up to 30 s)."""

    ensure_connection = partialmethod(Connection.ensure_connection, interval_start=1, interval_step=1, interval_max=3)


class TenantAMQP(AMQP):
    """Celery's factory of queues and connections, with our queues and connection."""

    queues_cls = TenantQueues
    Connection = SteadyConnection
