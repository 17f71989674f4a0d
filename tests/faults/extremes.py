"""What the long form does beside single faults: 3,000 tasks and a FLUSHALL, rolling restarts, a million tasks."""

import random
import time
from typing import Final

import psutil
from redis import Redis

from tests.faults import recovery
from tests.faults.faults import Felt
from tests.faults.stage import Stage
from tests.faults.waiting import last, until

_MANY: Final = 3_000
_MILLION: Final = 1_000_000
_CHUNK: Final = 100_000
_HALVES: Final = (
    ("api1", "worker1", "dispatcher1", "webhooks1"),
    ("api2", "worker2", "dispatcher2", "asyncio1", "http1"),
)
_MEASURED: Final = 10.0
_MOST_BYTES: Final = 20_000_000
# One per cent of a core would be 0.1 s of the 10 s.
_MOST_CPU: Final = 0.5

_SWEEPERS: Final = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
_BACKENDS: Final = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"

_FILL: Final = """
WITH made AS (
    INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, max_attempts, time_limit_seconds)
    SELECT $1, uuidv7(), 'echo', 'prefork', 4, '1', now(), 3, 900 FROM generate_series(1, $2::integer)
    RETURNING id
)
INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled)
SELECT $1, id, 'prefork', 4, now(), false FROM made
"""


def flush_among_many(stage: Stage, rng: random.Random) -> Felt:
    """FLUSHALL in the middle of 3,000 tasks that run and wait: each ends once."""
    stage.cluster.admin(["queue", "pause", "wide"])
    operations = stage.load.submit_many(
        "probe", "wide", [{"payload": {"seconds": 0.05, "value": n}} for n in range(_MANY)], at_once=64
    )
    assert all(one.is_accepted for one in operations)
    stage.cluster.admin(["queue", "resume", "wide"])
    ids = [one.task_ids[0] for one in operations]
    ended = "SELECT count(*) FROM faults.ended WHERE task_id = ANY($1::uuid[])"
    until(lambda: stage.owner.value(ended, ids) >= _MANY // 6, "some of them to end", 120, 0.05)
    at = recovery.now(stage.owner)
    with Redis.from_url(stage.cluster.valkey.url) as redis:
        redis.flushall()
    felt = Felt(*recovery.starved(stage.owner, at))
    before = stage.owner.value(f"{ended} AND at < to_timestamp($2)", ids, at)
    until(lambda: stage.owner.value(ended, ids) >= _MANY, "all to end", 300, 0.2)
    felt.notes = {"tasks": _MANY, "ended before the FLUSHALL": before}
    return felt


def restart_rolling(stage: Stage, rng: random.Random, rounds: int = 10) -> Felt:
    """F16: every part is told to stop and started again, half of them at a time, ten times under load."""
    answered = len(stage.load.history.answers())
    slowest = 0.0
    for _ in range(rounds):
        for half in _HALVES:
            for name in half:
                began = time.monotonic()
                stage.cluster.stop(name)
                slowest = max(slowest, time.monotonic() - began)
                stage.cluster.start(name)
            stage.cluster.wait_ready(*half)
    answers = stage.load.history.answers()[answered:]
    improper = sum(one.is_improper for one in answers)
    assert not improper, f"{improper} answers of 5xx without a Retry-After"
    return Felt(
        rounds, 0.0, {"slowest stop": slowest, "answers": len(answers), "503": sum(a.status == 503 for a in answers)}
    )


def wait_with_a_million(stage: Stage, rng: random.Random) -> Felt:
    """A backlog of 1,000,000 tasks: what it adds to Redis and the dispatcher. The rows are the owner's own SQL."""
    stage.load.end()
    [made] = stage.cluster.admin(["tenant", "create", "million", "--name", "m", "--plan", "enterprise", "--json"])
    # Its tasks wait for a slot for ever: nothing but the waiting is measured.
    stage.cluster.admin(["tenant", "set-limit", "million", "running=0", "--json"])
    before = _measure(stage)
    try:
        for _ in range(_MILLION // _CHUNK):
            stage.owner.rows(_FILL, made["tenant_id"], _CHUNK)
        for table in ("task", "backlog"):
            stage.owner.rows(f"VACUUM ANALYZE {table}")
        # What the filling itself has left to do is no load of the backlog's.
        stage.owner.rows("CHECKPOINT")
        until(lambda: not stage.owner.value(_SWEEPERS), "the end of every autovacuum", 120, 0.2)
        after = _measure(stage)
    finally:
        for table in ("backlog", "task"):
            stage.owner.rows(f"DELETE FROM {table} WHERE tenant_id = $1", made["tenant_id"])
        stage.owner.rows("DELETE FROM tenant WHERE id = $1", made["tenant_id"])
    added = {f"{name} added": after[name] - before[name] for name in before}
    assert added["Redis bytes added"] < _MOST_BYTES, added
    assert added["dispatcher bytes added"] < _MOST_BYTES, added
    assert added["dispatcher CPU s in 10 s added"] < _MOST_CPU, added
    assert added["CPU s in 10 s of its backends added"] < _MOST_CPU, added
    return Felt(_MILLION, 0.0, added)


def _measure(stage: Stage) -> dict[str, float]:
    name = recovery.wait_for_leader(stage.owner)
    leader = psutil.Process(stage.cluster.processes[name].pid)
    backends = [psutil.Process(row["pid"]) for row in stage.owner.rows(_BACKENDS, name)]
    leader_began, backends_began = _cpu(leader), sum(map(_cpu, backends))
    last(_MEASURED)
    with Redis.from_url(stage.cluster.valkey.url) as redis:
        used = redis.info("memory")["used_memory"]
    return {
        "Redis bytes": used,
        "dispatcher bytes": leader.memory_info().rss,
        "dispatcher CPU s in 10 s": round(_cpu(leader) - leader_began, 2),
        "CPU s in 10 s of its backends": round(sum(map(_cpu, backends)) - backends_began, 2),
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
