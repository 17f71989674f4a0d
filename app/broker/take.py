"""Take tickets from a ring: wait until a tenant is in it, then the TAKE script takes the next tenants' tickets.

Two clients do both steps: kombu's channel on its own connection (``transport``), without blocking Celery's loop, and
each free slot by asyncio (``ticket_consumer``). The script and the reading of its reply are the same, and are here.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from app.broker.ring import Ring
from app.broker.script import Script

TAKE: Final = Script("""#!lua flags=allow-oom
-- Purpose. Take one ticket each from the next queues in the order.
-- KEYS: order, members, ahead, and (or not) the list to which BLMOVE has moved a queue from the order
-- ARGV: slots, and the queue that BRPOP has popped from the order (or '')
-- Returns. Up to `slots` pairs of a queue and its ticket. A queue that was served moves to the end of the order. Queues
-- of tenants that are ahead of their share are passed over while others wait, and served if a slot would stay idle. A
-- key that is not a list is deleted and returned as a ticket without a text.
-- allow-oom: taking tickets frees memory, so it must work on a server that is full.
if KEYS[4] then redis.call('LMOVE', KEYS[4], KEYS[1], 'LEFT', 'RIGHT') end
if ARGV[2] ~= '' then redis.call('RPUSH', KEYS[1], ARGV[2]) end
local slots, tickets, taken = tonumber(ARGV[1]), {}, 0
-- 64 turns more than slots: enough to remove stale entries, and few enough not to block Redis.
local turns = slots > 0 and slots + 64 or 0
local function take(passes_over)
  local passed = 0
  while turns > 0 and taken < slots do
    turns = turns - 1
    local queue = redis.call('LMOVE', KEYS[1], KEYS[1], 'RIGHT', 'LEFT')
    if not queue then return end
    if passes_over and redis.call('SISMEMBER', KEYS[3], queue) == 1 then
      passed = passed + 1
      if passed >= redis.call('LLEN', KEYS[1]) then return end  -- all queues were passed over: nobody else waits
    else
      passed = 0
      local ticket = redis.pcall('RPOP', queue)
      if type(ticket) == 'table' then
        redis.call('DEL', queue)
        ticket = ''
      end
      if ticket then
        taken = taken + 1
        tickets[2 * taken - 1], tickets[2 * taken] = queue, ticket
      end
      if redis.call('EXISTS', queue) == 0 then
        redis.call('LPOP', KEYS[1])
        redis.call('SREM', KEYS[2], queue)
      end
    end
  end
end
if slots > 0 and redis.call('EXISTS', KEYS[3]) == 1 then
  take(true)
  turns = math.max(turns, slots - taken)
end
take(false)
return tickets
""")


class TakenTicket(NamedTuple):
    """A ticket, and the queue in which it was."""

    queue: str
    ticket: bytes


# Seconds for the replies beyond the time for which Redis waits.
_REPLY_TIMEOUT: Final = 2.0


async def wait_and_take(
    connection: AbstractConnection,
    ring: Ring,
    max_tickets: int,
    *,
    seconds: float,
    moved_key: str,
) -> list[TakenTicket]:
    """Wait up to ``seconds`` (more than 0) for a tenant in the ring, then take tickets of the next tenants.

    It is one round trip: Redis runs the script, which is sent together with the wait, as soon as the wait ends. BLMOVE
    moves one tenant's queue from the order to ``moved_key``, a list of this connection alone, and wakes the client that
    has waited longest; the script puts the queue back. Raises ``RedisError``, ``TimeoutError`` or ``OSError``; the
    connection must not be used again then.
    """
    keys = [*_keys(ring), moved_key]
    wait: tuple[str | float, ...] = ("BLMOVE", ring.order, moved_key, "RIGHT", "LEFT", seconds)
    script: tuple[str | float, ...] = ("EVALSHA", TAKE.sha, len(keys), *keys, max_tickets, "")
    async with asyncio.timeout(seconds + _REPLY_TIMEOUT):
        await connection.send_packed_command(connection.pack_commands([wait, script]), check_health=False)
        waited, taken = await _reply(connection), await _reply(connection)
        if isinstance(taken, NoScriptError):
            # Redis has restarted. EVAL also stores the script, so the next call is by its digest again.
            await connection.send_command("EVAL", TAKE.text, *script[2:], check_health=False)
            taken = await _reply(connection)
    # A server that is full refuses the wait and runs the script: then tickets are taken if there are any.
    for reply in (waited, taken):
        if isinstance(reply, ResponseError) and not (reply is waited and isinstance(reply, OutOfMemoryError)):
            raise reply
    return _read(taken)


async def _reply(connection: AbstractConnection) -> Any:
    """Return the next reply. An error of Redis is returned too, so that the replies after it are read as well."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def take(call: Callable[..., Sequence[bytes]], ring: Ring, max_tickets: int, popped: str) -> list[TakenTicket]:
    """Take tickets after a BRPOP that has popped the queue ``popped``. With 0 tickets the queue is only put back.

    ``call`` sends a command on the connection that has waited, and returns the reply. Raises what ``call`` raises.
    """
    arguments = (3, *_keys(ring), max_tickets, popped)
    try:
        return _read(call("EVALSHA", TAKE.sha, *arguments))
    except NoScriptError:
        # Redis has restarted. EVAL also stores the script, so the next call is by its digest again.
        return _read(call("EVAL", TAKE.text, *arguments))


def _keys(ring: Ring) -> list[str]:
    return [ring.order, ring.members, ring.ahead]


def _read(reply: Sequence[bytes]) -> list[TakenTicket]:
    return [TakenTicket(queue.decode(), ticket) for queue, ticket in zip(reply[::2], reply[1::2], strict=True)]
