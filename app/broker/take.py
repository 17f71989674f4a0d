"""Take tickets from a ring: BRPOP waits until a tenant is in it, then the TAKE script takes the next tenants' tickets.

Two clients do both steps: kombu's channel on its own connection (``transport``), without blocking Celery's loop, and
each free slot by asyncio (``ticket_consumer``). The commands and the reading of replies are the same, and are here.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.broker.ring import Ring
from app.broker.script import Script

TAKE: Final = Script("""#!lua flags=allow-oom
-- Purpose. Take one ticket each from the next queues in the order.
-- KEYS: order, members, ahead      ARGV: slots, and the queue that BRPOP has popped from the order (or '')
-- Returns. Up to `slots` pairs of a queue and its ticket. A queue that was served moves to the end of the order. Queues
-- of tenants that are ahead of their share are passed over while others wait, and served if a slot would stay idle. A
-- key that is not a list is deleted and returned as a ticket without a text.
-- allow-oom: taking tickets frees memory, so it must work on a server that is full.
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


async def wait_and_take(redis: Redis, ring: Ring, max_tickets: int, timeout: float) -> list[TakenTicket]:  # noqa: ASYNC109 Redis waits
    """Wait up to ``timeout`` seconds (more than 0) for a tenant in the ring, then take tickets of the next tenants.

    Raises ``RedisError``. BRPOP pops one tenant's queue from the order and wakes the client that has waited longest;
    TAKE puts the queue back. A worker that is killed in between leaves a member without a place in the order, which
    the reconciler repairs.
    """
    popped: Any = await redis.brpop([ring.order], timeout=timeout)
    if popped is None:
        return []
    return _read(await TAKE.run(redis, _keys(ring), [max_tickets, popped[1].decode()]))


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
