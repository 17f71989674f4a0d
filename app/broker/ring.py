"""The ring: the Redis keys in which tenants stand in line, and the scripts that keep them in agreement.

Every tenant has a Redis list of its own for each pool: its queue. A *ring* is the line of the queues that
hold a ticket. It is two keys: the order (a list, whose right end is served next) and the members (a set of
the same names, so that joining costs the same for ten tenants and for ten thousand). A worker consumes the
ring by the name of a *virtual queue*, which is no key at all.
"""

from typing import Final, NamedTuple
from uuid import UUID

from app.broker.script import Script

QUEUE_PREFIX: Final = "tenant."
PREFORK: Final = "prefork"
ASYNCIO: Final = "asyncio"

_SUFFIXES: Final = {PREFORK: "", ASYNCIO: ".io"}


class Ring(NamedTuple):
    """The line of one pool."""

    queue: str
    """The virtual queue: what a worker names with ``-Q``."""
    order: str
    """Key of the list of tenant queues in line; the right end is served next, the left end is last."""
    members: str
    """Key of the set of the same names."""
    ahead: str
    """Key of the set of those who are ahead of their share; it expires where nobody looks any more."""


def _ring(queue: str) -> Ring:
    return Ring(queue, f"{queue}:order", f"{queue}:members", f"{queue}:ahead")


RINGS: Final = {PREFORK: _ring("tenants"), ASYNCIO: _ring("tenants.io")}
"""The ring of each pool."""
RING_BY_QUEUE: Final = {ring.queue: ring for ring in RINGS.values()}
RING_BY_ORDER: Final = {ring.order: ring for ring in RINGS.values()}


def queue_name(tenant_id: UUID, pool: str) -> str:
    """Name the queue of a tenant in a pool (``prefork`` or ``asyncio``); another pool is a ``KeyError``."""
    return f"{QUEUE_PREFIX}{tenant_id}{_SUFFIXES[pool]}"


def tenant_of(queue: str) -> UUID | None:
    """Return the tenant whose queue this is; None for a name that is no tenant's."""
    try:
        return UUID(queue.removeprefix(QUEUE_PREFIX).removesuffix(_SUFFIXES[ASYNCIO]))
    except ValueError:
        return None


def pool_of(queue: str) -> str | None:
    """Name the pool of a tenant's queue; None for a queue that is no tenant's."""
    ring = ring_of(queue)
    return next((pool for pool, its in RINGS.items() if its is ring), None)


def ring_of(queue: str) -> Ring | None:
    """Find the ring in which a tenant's queue stands; None for a queue that is no tenant's."""
    if not queue.startswith(QUEUE_PREFIX):
        return None
    return RINGS[ASYNCIO if queue.endswith(_SUFFIXES[ASYNCIO]) else PREFORK]


PUSH: Final = Script("""
-- KEYS: order, members, queue ...      ARGV: max, then for each queue: n and its n tickets
-- Returns how many tickets each queue took: it never holds more than max.
local pushed, at = {}, 2
for i = 3, #KEYS do
  local queue, wanted = KEYS[i], tonumber(ARGV[at])
  local held = redis.pcall('LLEN', queue)
  if type(held) ~= 'number' then  -- somebody else has put something there that is no list
    redis.call('DEL', queue)
    held = 0
  end
  local taken = math.max(0, math.min(wanted, tonumber(ARGV[1]) - held))
  for j = at + 1, at + taken do redis.call('LPUSH', queue, ARGV[j]) end
  -- A full list asks too: it may have lost its place in line.
  if held + taken > 0 and redis.call('SADD', KEYS[2], queue) == 1 then
    redis.call('LPUSH', KEYS[1], queue)  -- the end of the line: a newcomer never passes those who wait
  end
  pushed[#pushed + 1] = taken
  at = at + wanted + 1
end
return pushed
""")

MEND: Final = Script("""
-- KEYS: order, members      ARGV: queues that may hold tickets
-- Makes line and set the queues that hold a ticket, each once, in the order they stand in.
-- Returns how many queues joined, and how many entries went.
local line, seen, joined = {}, {}, 0
local function keep(queue)
  if seen[queue] or redis.call('EXISTS', queue) == 0 then return false end
  seen[queue] = true
  line[#line + 1] = queue
  return true
end
local entries = redis.call('LRANGE', KEYS[1], 0, -1)
for i = #entries, 1, -1 do keep(entries[i]) end
local gone = #entries - #line
local members = redis.call('SMEMBERS', KEYS[2])
for _, queue in ipairs(members) do
  if keep(queue) then joined = joined + 1
  elseif not seen[queue] then gone = gone + 1 end
end
for _, queue in ipairs(ARGV) do
  if keep(queue) then joined = joined + 1 end
end
if gone > 0 or joined > 0 or #members ~= #line then
  redis.call('DEL', KEYS[1], KEYS[2])
  for _, queue in ipairs(line) do
    redis.call('LPUSH', KEYS[1], queue)
    redis.call('SADD', KEYS[2], queue)
  end
end
return {joined, gone}
""")
