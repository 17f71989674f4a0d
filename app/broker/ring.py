"""The ring: the Redis keys that hold the order in which tenants are served, and the scripts that keep them consistent.

Every tenant has one Redis list for each pool: its *queue* of tickets. A *ring* has the names of all queues of a pool
that have a ticket. It is stored as two keys: the *order*, a list whose right end is served next, and the *members*, a
set of the same names. The set makes joining equally fast for ten tenants and for ten thousand. A worker consumes a ring
by the name of a *virtual queue*, for which Redis has no key.
"""

from typing import Final, NamedTuple
from uuid import UUID

from app.broker.script import Script

QUEUE_PREFIX: Final = "tenant."
PREFORK: Final = "prefork"
ASYNCIO: Final = "asyncio"
HTTP: Final = "http"
REMOTE_PREFIX: Final = "remote:"
"""A pool of tenants' own workers has this prefix and the name of the task type. It has no ring."""

_SUFFIXES: Final = {PREFORK: "", ASYNCIO: ".io", HTTP: ".http"}


class Ring(NamedTuple):
    """The names of one pool's ring."""

    queue: str
    """The virtual queue, which a worker consumes with ``-Q``."""
    order: str
    """Key of the list of tenants' queues. The right end is served next, the left end last."""
    members: str
    """Key of the set of the same names."""
    ahead: str
    """Key of the set of queues whose tenants are ahead of their share. It expires if no dispatcher renews it."""


def _ring(queue: str) -> Ring:
    return Ring(queue, f"{queue}:order", f"{queue}:members", f"{queue}:ahead")


RINGS: Final = {pool: _ring(f"tenants{suffix}") for pool, suffix in _SUFFIXES.items()}
"""The ring of each pool."""
_RING_BY_SUFFIX: Final = {suffix: RINGS[pool] for pool, suffix in _SUFFIXES.items()}
RING_BY_QUEUE: Final = {ring.queue: ring for ring in RINGS.values()}
RING_BY_ORDER: Final = {ring.order: ring for ring in RINGS.values()}


def queue_name(tenant_id: UUID, pool: str) -> str:
    """Return the name of a tenant's queue in a pool, a key of ``RINGS``; raises ``KeyError`` for another."""
    return f"{QUEUE_PREFIX}{tenant_id}{_SUFFIXES[pool]}"


def tenant_of(queue: str) -> UUID | None:
    """Return the tenant of a queue; None if the name is not that of a tenant's queue."""
    try:
        return UUID(queue.removeprefix(QUEUE_PREFIX).removesuffix(_suffix(queue)))
    except ValueError:
        return None


def pool_of(queue: str) -> str | None:
    """Return the pool of a tenant's queue; None if the name is not that of a tenant's queue."""
    ring = ring_of(queue)
    return next((pool for pool, its in RINGS.items() if its is ring), None)


def ring_of(queue: str) -> Ring | None:
    """Return the ring to which a tenant's queue belongs; None if the name is not that of a tenant's queue."""
    if not queue.startswith(QUEUE_PREFIX):
        return None
    return _RING_BY_SUFFIX[_suffix(queue)]


def _suffix(queue: str) -> str:
    # A tenant's id has no dot, so what follows the last one is the pool's, unless it is the id itself.
    suffix = f".{queue.rpartition('.')[2]}"
    return suffix if suffix in _RING_BY_SUFFIX else ""


PUSH: Final = Script("""
-- Purpose. Put tickets into queues, and each queue that has a ticket into the ring.
-- KEYS: order, members, queue ...      ARGV: max, then for each queue: n and its n tickets
-- Returns. How many tickets each queue took. No queue ever has more than max.
local pushed, at = {}, 2
for i = 3, #KEYS do
  local queue, wanted = KEYS[i], tonumber(ARGV[at])
  local held = redis.pcall('LLEN', queue)
  if type(held) ~= 'number' then  -- an error: another program has stored something there that is not a list
    redis.call('DEL', queue)
    held = 0
  end
  local taken = math.max(0, math.min(wanted, tonumber(ARGV[1]) - held))
  for j = at + 1, at + taken do redis.call('LPUSH', queue, ARGV[j]) end
  -- Also if the queue took nothing because it is full: it may have lost its place in the ring.
  if held + taken > 0 and redis.call('SADD', KEYS[2], queue) == 1 then
    redis.call('LPUSH', KEYS[1], queue)  -- at the end, so that a newcomer does not overtake those who wait
  end
  pushed[#pushed + 1] = taken
  at = at + wanted + 1
end
return pushed
""")

REPAIR: Final = Script("""
-- Purpose. Repair a ring: order and members become the queues that have a ticket, each once. The order is kept.
-- KEYS: order, members      ARGV: queues that may have tickets without being in the ring
-- Returns. How many queues were added, and how many entries were removed.
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
