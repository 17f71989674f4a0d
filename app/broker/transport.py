"""The ring transport: kombu's Redis transport, extended so that a worker takes the tickets of all tenants in turn.

A worker that consumes a virtual queue (``tenants``) *waits* until a tenant is in the ring. Then it *takes*, by one
script, as many tickets as it has free slots, and it goes once round the ring before it serves a tenant twice. Redis
wakes one waiting client for each queue in the ring: the client that has waited longest. A worker that consumes only
tenants' own queues (``-Q tenant.<id>``) works as kombu does.

A method marked "Overrides" replaces a private method of kombu, which is pinned; tests/broker covers each of them.
"""

import logging
from queue import Empty
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ResponseError

from app.broker import envelope
from app.broker.ring import PUSH, RING_BY_ORDER, RING_BY_QUEUE, Ring, ring_of
from app.broker.take import TakenTicket, take
from app.core.log_limiter import LogLimiter
from app.core.redis import reason

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# The most tickets in one take. More of them would wait in this worker although another one may be free.
_MAX_TAKE: Final = 32
# The bound of a queue for tickets that Celery itself publishes: a caller of ``apply_async`` wants a ticket.
_UNBOUNDED: Final = 2**31
# Redis deletes a list with its last element, so an empty queue has no type.
_LIST_TYPES: Final = frozenset({b"list", b"none", "list", "none"})
# Seconds without a new wait after Redis has answered with an error.
_REST: Final = 1.0
# Milliseconds until the list that ends a wait expires, in case the wait had ended before it was written.
_WAKE_KEY_MS: Final = 5_000


class RingChannel(kombu_redis.Channel):
    """A channel that adds the queues of published tickets to their ring, and consumes a ring by its virtual queue."""

    # Redis must not deliver a ticket a second time: the leases in Postgres decide which tasks run again.
    ack_emulation = False
    do_restore = False

    # True if the current wait is for a ring, false if it is one of kombu's own.
    _awaits_ring = False
    # Monotonic time before which no wait begins. Otherwise a Redis that refuses would be asked in a tight loop.
    _rests_until = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """``args`` and ``kwargs`` are kombu's own."""
        super().__init__(*args, **kwargs)
        # A list of this channel alone. It is empty until the channel closes (``_end_wait``).
        self._wake_key: Final = f"wake.{uuid4()}"

    def free_slots(self) -> int:
        """Return how many tickets the consumer can start now. In a worker, ``WorkerCapacity`` replaces this method."""
        return 1

    def _put(self, queue: str, message: dict[str, Any], **kwargs: object) -> None:
        """Overrides kombu's ``Channel._put``: push the ticket and add its queue to the ring, alone or in a batch."""
        if queue in RING_BY_QUEUE:
            error = f"{queue!r} is a ring and holds no tickets: publish to the queue of a tenant"
            raise ValueError(error)
        ring = ring_of(queue)
        if ring is None:
            super()._put(queue, message, **kwargs)
            return
        # EVAL, not EVALSHA: if Redis had lost the script, a batch could not be repeated.
        push = (PUSH.text, 3, ring.order, ring.members, queue, _UNBOUNDED, 1, dumps(message))
        batch: Any = kwargs.get("_publish_batch")
        if batch is not None:
            batch.add("eval", *push)
            return
        with self.conn_or_acquire() as client:
            client.eval(*push)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Overrides kombu's ``Channel._brpop_start``: begin to wait without blocking the event loop."""
        if monotonic() < self._rests_until:
            return
        queues = self.active_queues
        self._awaits_ring = any(queue in RING_BY_QUEUE for queue in queues)
        if not self._awaits_ring:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        # BRPOP pops a queue from the ring's order, and the take puts it back. A worker that is killed in between leaves
        # a member without a place in the order, which the reconciler repairs.
        consumed = self._queue_cycle.consume(len(queues))  # type: ignore[attr-defined]
        keys = [ring.order if (ring := RING_BY_QUEUE.get(queue)) else queue for queue in consumed]
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command("BRPOP", *keys, self._wake_key, timeout or self.brpop_timeout)

    def _brpop_read(self, **_: object) -> bool:
        """Overrides kombu's ``Channel._brpop_read``: read the end of the wait, take tickets and deliver them."""
        try:
            consumed, taken = self._after_wait()
        except ResponseError as error:
            # Redis is read-only, full, a Cluster, or an ACL is missing, but the connection itself works. Celery would
            # restart the consumer up to five times a second, which changes nothing.
            self._rests_until = monotonic() + _REST
            _log_limiter.warn("no tickets taken", reason=reason(error))
            raise Empty from error
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]
        if not taken:
            raise Empty
        self._queue_cycle.rotate(consumed)  # type: ignore[attr-defined]
        for queue, ticket in taken:
            self._deliver(ticket, queue, consumed)
        return True

    def _after_wait(self) -> tuple[str, list[TakenTicket]]:
        """Read the reply that ended the wait; return the consumed queue, and each ticket with its own queue."""
        if self._awaits_ring and self._closing and not self._end_wait():  # type: ignore[attr-defined]
            return "", []
        try:
            reply = self._reply("BRPOP")
        except ResponseError as error:
            self._delete_what_is_no_list(error)
            return "", []
        if not reply or bytes_to_str(reply[0]) == self._wake_key:
            return "", []
        ring = RING_BY_ORDER.get(bytes_to_str(reply[0]))
        if ring is None:
            # kombu adds the priority to the name of a list.
            queue = bytes_to_str(reply[0]).rsplit(self.sep, 1)[0]
            return queue, [TakenTicket(queue, reply[1])]
        return ring.queue, take(self._call, ring, self._wanted(ring), bytes_to_str(reply[1]))

    def _end_wait(self) -> bool:
        """Make Redis answer the wait under way at once, for a channel that closes; return False if Redis is away.

        If the channel just dropped its connection, Redis could still give it the next tenant in the ring, and that
        tenant's place in the order would be lost.
        """
        try:
            with self.conn_or_acquire() as client, client.pipeline() as commands:
                commands.lpush(self._wake_key, "").pexpire(self._wake_key, _WAKE_KEY_MS).execute()
        except ResponseError as error:
            # Redis is full or read-only. Then the wait ends by itself within a second.
            _log_limiter.warn("cannot end the wait for tickets early", reason=reason(error))
        except self.connection_errors:  # type: ignore[attr-defined]
            return False
        return True

    def _delete_what_is_no_list(self, error: ResponseError) -> None:
        """Delete consumed tenants' queues that are not lists, because another program wrote them.

        If there are none, raise the error: it has another cause.
        """
        with self.conn_or_acquire() as client:
            odd = [queue for queue in self.active_queues if ring_of(queue) and client.type(queue) not in _LIST_TYPES]
            for queue in odd:
                client.delete(queue)
                _log.warning("deleted a tenant's queue that was not a list", extra={"queue": queue})
        if not odd:
            raise error

    def _wanted(self, ring: Ring) -> int:
        """Return how many tickets to take: what the consumer can start now, or 0 if it no longer consumes the ring."""
        if self._closing or ring.queue not in self._active_queues:  # type: ignore[attr-defined]
            return 0
        # kombu's estimate is None if there is no prefetch limit.
        return min(_MAX_TAKE, self.free_slots(), self.qos.can_consume_max_estimate() or _MAX_TAKE)

    def _call(self, *command: str | int) -> list[bytes]:
        """Run a command on the connection that has just waited, and wait for its reply."""
        self.client.connection.send_command(*command)
        return self._reply(str(command[0])) or []

    def _reply(self, command: str) -> list[bytes] | None:
        """Read one reply. After a connection error disconnect, so that the event loop connects again."""
        try:
            reply: list[bytes] | None = self.client.parse_response(self.client.connection, command)
        except self.connection_errors:  # type: ignore[attr-defined]
            self.client.connection.disconnect()
            raise
        return reply

    def _deliver(self, raw: bytes, queue: str, consumed: str) -> None:
        """Deliver a ticket to the consumer. Drop any other message: it could make the worker exit or reconnect."""
        if consumed in RING_BY_QUEUE or ring_of(queue) is not None:
            message = envelope.read_or_warn(raw, queue)
        else:
            # kombu's own queues: replies to remote control, if that is switched on.
            message = loads(bytes_to_str(raw))
        if message is not None:
            self.connection._deliver(message, consumed)  # noqa: SLF001


class RingTransport(kombu_redis.Transport):
    """The transport that the setting ``broker_transport`` names."""

    Channel = RingChannel
