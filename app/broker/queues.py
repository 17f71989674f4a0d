"""Celery's view of the queues: the queues of tenants have a name, but are never declared."""

from functools import partialmethod

from celery.app.amqp import AMQP, Queues
from kombu import Connection, Queue

from app.broker.ring import RING_BY_QUEUE, ring_of


def undeclared(name: str) -> Queue:
    """Return a queue without a declaration: no binding of it is written to Redis or read from there."""
    return Queue(name, routing_key=name, no_declare=True)


class TenantQueues(Queues):
    """Celery's queues by name. Tenants' queues are created for each use and not kept: a process may name thousands."""

    def __missing__(self, name: str) -> Queue:
        """Return the queue of a tenant, or a virtual queue. Any other name is handled as Celery does."""
        if name in RING_BY_QUEUE or ring_of(name):
            return undeclared(name)
        return super().__missing__(name)


class SteadyConnection(Connection):
    """A connection that is retried every 1 to 3 s, also after a long outage. kombu's own waits up to 30 s."""

    ensure_connection = partialmethod(Connection.ensure_connection, interval_start=1, interval_step=1, interval_max=3)


class TenantAMQP(AMQP):
    """Celery's factory of queues and connections, which here uses the two classes above."""

    queues_cls = TenantQueues
    Connection = SteadyConnection
