"""The ring transport: kombu's Redis transport, where a worker takes the tickets of all tenants in turn.

A worker that consumes a virtual queue (``tenants``) *waits* until somebody stands in line and then *takes*,
by one script, as many tickets as it has free slots, going once round the line before it serves anybody twice.
Of all workers and slots that wait, Redis wakes one for each place in line: who has waited longest. A worker
that consumes tenants' own queues only (``-Q tenant.<id>``) does it as kombu does.

What is marked "stands for" is private to kombu, which is pinned: tests/broker holds each of them.
"""

import logging
from queue import Empty
from time import monotonic
from typing import Any, Final

from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import NoScriptError, ResponseError

from app.broker import envelope
from app.broker.ring import PUSH, RING_BY_ORDER, RING_BY_QUEUE, TAKE, Ring, ring_of
from app.core.redis import reason
from app.core.seldom import Seldom

_log = logging.getLogger(__name__)
_seldom = Seldom(_log)

# More in one take would wait in the worker instead of in Redis.
_MAX_TAKE: Final = 32
_UNBOUNDED: Final = 2**31
# One that is empty is none.
_LIST_TYPES: Final = frozenset({b"list", b"none", "list", "none"})
_REST: Final = 1.0


class RingChannel(kombu_redis.Channel):
    """A channel that publishes tenants' tickets into their ring, and consumes a ring by its virtual queue."""

    # The leases in Postgres decide what runs again: Redis must not give out a ticket twice.
    ack_emulation = False
    do_restore = False

    # Whether the wait under way is ours, and not kombu's own.
    _awaits_ring = False
    # Until then nothing is asked of a Redis that refuses: it would be asked again at once, for ever.
    _rests_until = 0.0

    def free_slots(self) -> int:
        """Say how many tickets the consumer can start now; in a worker ``slots.FreeSlots`` replaces it."""
        return 1

    def _put(self, queue: str, message: dict[str, Any], **kwargs: object) -> None:
        """Stands for kombu's ``Channel._put``: push and join the ring, alone or in a ``Producer.batch``."""
        if queue in RING_BY_QUEUE:
            error = f"{queue!r} is a ring and holds no tickets: publish to the queue of a tenant"
            raise ValueError(error)
        ring = ring_of(queue)
        if ring is None:
            super()._put(queue, message, **kwargs)
            return
        # EVAL, not EVALSHA: in a batch there is no second try when Redis has lost the script.
        push = (PUSH.text, 3, ring.order, ring.members, queue, _UNBOUNDED, 1, dumps(message))
        batch: Any = kwargs.get("_publish_batch")
        if batch is not None:
            batch.add("eval", *push)
            return
        with self.conn_or_acquire() as client:
            client.eval(*push)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Stands for kombu's ``Channel._brpop_start``: begin to wait without blocking the event loop."""
        if monotonic() < self._rests_until:
            return
        queues = self.active_queues
        self._awaits_ring = any(queue in RING_BY_QUEUE for queue in queues)
        if not self._awaits_ring:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        # What it takes out of a line the take puts back; a worker killed in between leaves a member without a place
        # in line, which the reconciler mends.
        line = self._queue_cycle.consume(len(queues))  # type: ignore[attr-defined]
        keys = (ring.order if (ring := RING_BY_QUEUE.get(queue)) else queue for queue in line)
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command("BRPOP", *keys, timeout or self.brpop_timeout)

    def _brpop_read(self, **_: object) -> bool:
        """Stands for kombu's ``Channel._brpop_read``: the wait is over, take and deliver."""
        try:
            consumed, taken = self._after_wait()
        except ResponseError as error:
            # Read-only, full, a Cluster, a right that is missing: the connection is well. To start the consumer again,
            # which Celery does up to five times a second, changes nothing.
            self._rests_until = monotonic() + _REST
            _seldom.warn("no tickets taken", reason=reason(error))
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

    def _after_wait(self) -> tuple[str, list[tuple[str, bytes]]]:
        """Read what ended the wait; return the queue that is consumed, and each ticket with the queue it lay in."""
        # A channel that closes drops its connection: no need to sit out the wait.
        if self._awaits_ring and self._closing and not self.client.connection.can_read():  # type: ignore[attr-defined]
            return "", []
        try:
            reply = self._reply("BRPOP")
        except ResponseError as error:
            self._delete_what_is_no_list(error)
            return "", []
        if not reply:
            return "", []
        ring = RING_BY_ORDER.get(bytes_to_str(reply[0]))
        if ring is None:
            # kombu has a list for each priority of a queue.
            queue = bytes_to_str(reply[0]).rsplit(self.sep, 1)[0]
            return queue, [(queue, reply[1])]
        taken = self._take(ring, out_of_line=bytes_to_str(reply[1]))
        return ring.queue, [
            (bytes_to_str(queue), ticket) for queue, ticket in zip(taken[::2], taken[1::2], strict=True)
        ]

    def _delete_what_is_no_list(self, error: ResponseError) -> None:
        """Let a tenant's queue be a list again, where somebody else has put something there; else raise the error."""
        with self.conn_or_acquire() as client:
            odd = [queue for queue in self.active_queues if ring_of(queue) and client.type(queue) not in _LIST_TYPES]
            for queue in odd:
                client.delete(queue)
                _log.warning("deleted a tenant's queue that was no list", extra={"queue": queue})
        if not odd:
            raise error

    def _take(self, ring: Ring, out_of_line: str) -> list[bytes]:
        """Take tickets, and put back the queue that the wait took out of the line."""
        call = (3, ring.order, ring.members, ring.ahead, self._wanted(ring), out_of_line)
        try:
            return self._call("EVALSHA", TAKE.sha, *call)
        except NoScriptError:
            return self._call("EVAL", TAKE.text, *call)

    def _wanted(self, ring: Ring) -> int:
        """Say how many tickets to take: what the consumer can start now, if it still consumes the ring."""
        if self._closing or ring.queue not in self._active_queues:  # type: ignore[attr-defined]
            return 0
        # The estimate is None without a prefetch limit.
        return min(_MAX_TAKE, self.free_slots(), self.qos.can_consume_max_estimate() or _MAX_TAKE)

    def _call(self, *command: str | int) -> list[bytes]:
        """Run a command on the connection that has just waited, and wait for its reply."""
        self.client.connection.send_command(*command)
        return self._reply(str(command[0])) or []

    def _reply(self, command: str) -> list[bytes] | None:
        """Read one reply; after an error of the connection the next turn of the event loop connects anew."""
        try:
            reply: list[bytes] | None = self.client.parse_response(self.client.connection, command)
        except self.connection_errors:  # type: ignore[attr-defined]
            self.client.connection.disconnect()
            raise
        return reply

    def _deliver(self, raw: bytes, queue: str, consumed: str) -> None:
        """Hand a ticket to the consumer. What is none must never reach it: it would end the worker, or reconnect."""
        if consumed in RING_BY_QUEUE or ring_of(queue) is not None:
            message = envelope.read_or_warn(raw, queue)
        else:
            # kombu's own: answers to remote control, where that is switched on.
            message = loads(bytes_to_str(raw))
        if message is not None:
            self.connection._deliver(message, consumed)  # noqa: SLF001


class RingTransport(kombu_redis.Transport):
    """The transport to name in ``broker_transport``."""

    Channel = RingChannel
