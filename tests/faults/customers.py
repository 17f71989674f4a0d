"""F14 and F15: tenants whose tasks kill their workers, and endpoints that misbehave; the others must not feel it."""

import random
import time
from typing import Final

from tests.faults import commands
from tests.faults.faults import Felt
from tests.faults.receiver import BAD_MOODS
from tests.faults.stage import Stage
from tests.faults.waiting import last, until

_POISONS: Final = ("kill", "exit", "memory", "loop")
# Of those who share nothing with the tenant `pro` but the workers: from the submit to the first claim.
_WAITS: Final = """
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM k.started_at - greatest(k.created_at, k.due_at)))
FROM task k JOIN tenant t ON t.id = k.tenant_id
WHERE t.slug = 'wide' AND k.created_at BETWEEN to_timestamp($1) AND to_timestamp($2)
  AND k.scheduled_at IS NULL AND k.started_at IS NOT NULL
"""
_LATE: Final = """
SELECT max(extract(epoch FROM a.started_at - d.created_at)) FROM delivery d
JOIN delivery_attempt a ON a.tenant_id = d.tenant_id AND a.delivery_id = d.id AND a.attempt = 1
WHERE d.url LIKE '%/ok' AND d.created_at BETWEEN to_timestamp($1) AND to_timestamp($2)
"""
_TRIES: Final = """
SELECT extract(epoch FROM b.started_at - a.started_at) - a.duration_ms / 1000.0 AS pause
FROM delivery_attempt a JOIN delivery_attempt b USING (tenant_id, delivery_id) JOIN delivery d ON d.id = a.delivery_id
WHERE a.attempt = 1 AND b.attempt = 2 AND d.url ~ '/(error|hang|reset|drip|redirect)$'
  AND d.created_at BETWEEN to_timestamp($1) AND to_timestamp($2)
"""
# The last blocks: the others have run by then.
_WEDGES: Final = ("stop", "cancel", "swallow", "block")
_SECONDS: Final = 25.0
_BASE: Final = 0.5
"""A wait of less is the machine's own noise."""


def poison(stage: Stage, rng: random.Random) -> Felt:
    """F14: one in twenty tasks kills, exits, takes all memory or loops: the others wait no longer for it."""
    began = time.time()
    last(_SECONDS)
    middle = time.time()
    operations = []
    while time.time() - middle < _SECONDS:
        kind = rng.choice(_POISONS)
        operations.append(stage.load.submit("poison", "pro", task="faults.poison", payload={"kind": kind}))
        last(1.5)
    ended = time.time()
    ids = [one.task_ids[0] for one in operations]
    open_ = "SELECT count(*) FROM task WHERE id = ANY($1::uuid[]) AND finished_at IS NULL"
    until(lambda: not stage.owner.value(open_, ids), "the end of each poison", 60, 0.1)
    calm, poisoned = (float(stage.owner.value(_WAITS, *span) or 0) for span in ((began, middle), (middle, ended)))
    assert poisoned <= max(2 * calm, _BASE), f"p95 of the others: {calm:.3f} s without, {poisoned:.3f} s with"
    return Felt(len(ids), 0.0, {"p95 s without": calm, "p95 s with": poisoned})


def wedge(stage: Stage, rng: random.Random) -> Felt:
    """F22: as many coroutines as there are slots block, stop and empty their event loops: all end, and counted."""
    began = time.time()
    kinds = [_WEDGES[number % len(_WEDGES)] for number in range(2 * commands.CHILDREN)]
    rng.shuffle(kinds)
    wedges = [("faults.wedge", kind) for kind in kinds] + [("faults.io_wedge", kind) for kind in _WEDGES]
    operations = [stage.load.submit("poison", "wide", task=task, payload={"kind": kind}) for task, kind in wedges]
    ids = [one.task_ids[0] for one in operations]
    open_ = "SELECT count(*) FROM task WHERE id = ANY($1::uuid[]) AND finished_at IS NULL"
    until(lambda: not stage.owner.value(open_, ids), "the end of each wedge", 90, 0.1)
    return Felt(len(ids), time.time() - began)


def misbehave(stage: Stage, rng: random.Random) -> Felt:
    """F15: endpoints that answer 500, 410, never, with a reset, a drip, a flood or a redirect."""
    began = time.time()
    operations = []
    for number in range(20):
        for mood in (*BAD_MOODS, "ok"):
            url = f"{stage.receiver.url}/wide/{mood}"
            operations.append(stage.load.submit("echo", "wide", payload={"n": number}, webhook_url=url))
    last(25)
    late = float(stage.owner.value(_LATE, began, time.time()) or 0)
    pauses = [float(row["pause"]) for row in stage.owner.rows(_TRIES, began, time.time())]
    gone = stage.owner.value("SELECT count(*) FROM delivery WHERE url LIKE '%/gone' AND status <> 'FAILED'")
    assert late < 1.5, f"a healthy endpoint waited {late:.2f} s"
    assert not gone, f"{gone} deliveries to an endpoint that is gone are tried again"
    # After what was due in time; who fails is narrowed to one at a time, and then may wait for its turn.
    assert min(pauses, default=5) >= 4.4, f"tried again after {min(pauses):.2f} s"
    return Felt(len(operations), 0.0, {"latest first try of a healthy endpoint": late, "second tries": len(pauses)})
