"""F5 to F7, F18 and F20: faults of Redis and of Postgres. Felt is counted from the fault, or from when the server is up again."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Final

import asyncpg
import httpx
from redis import Redis

from tests import postgres_pair
from tests.faults import recovery
from tests.faults.faults import Felt
from tests.faults.stage import Stage
from tests.faults.waiting import last, until


def pause_redis(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F5: SIGSTOP Redis for a while; submits go on being accepted."""
    at = recovery.now(stage.owner)
    os.kill(stage.cluster.valkey.pid, signal.SIGSTOP)
    try:
        last(seconds)
    finally:
        os.kill(stage.cluster.valkey.pid, signal.SIGCONT)
    healed = recovery.now(stage.owner)
    affected, felt = recovery.starved(stage.owner, healed)
    accepted = [one for one in stage.load.history.answers() if one.call == "submit" and at < one.at < healed - 0.5]
    slowest = max((one.seconds for one in accepted if one.status in {200, 202}), default=0.0)
    assert any(one.status == 202 for one in accepted), "nothing was accepted while Redis was stopped"
    return Felt(affected, felt, {"slowest submit meanwhile": slowest})


def flush_redis(stage: Stage, rng: random.Random) -> Felt:
    """F6: FLUSHALL while tasks of every tenant wait and run."""
    make_a_queue(stage)
    at = recovery.now(stage.owner)
    with Redis.from_url(stage.cluster.valkey.url) as redis:
        redis.flushall()
    return Felt(*recovery.starved(stage.owner, at))


def kill_redis(stage: Stage, rng: random.Random) -> Felt:
    """F6: kill -9 Redis, of which nothing is kept, and start it again."""
    make_a_queue(stage)
    stage.cluster.kill_valkey()
    stage.cluster.start_valkey()
    at = recovery.now(stage.owner)
    return Felt(*recovery.starved(stage.owner, at))


def kill_postgres(stage: Stage, rng: random.Random) -> Felt:
    """F7: kill -9 the postmaster under load and start it again; felt is counted from when it is up."""
    make_a_queue(stage)
    stage.postgres_crashes.append(time.time())
    stage.cluster.kill_postgres()
    stage.cluster.start_postgres()
    return after_crash(stage)


def after_crash(stage: Stage) -> Felt:
    """Return how long it took, from when Postgres is up, until tasks are accepted and claimed again."""
    up = recovery.now(stage.owner)
    until(lambda: stage.owner.value(recovery.FIRST_CLAIM, up) is not None, "a claim", 60, 0.05)
    until(lambda: first_accepted(stage, up) is not None, "an accepted submit", 60, 0.05)
    claimed, accepted = float(stage.owner.value(recovery.FIRST_CLAIM, up)), (first_accepted(stage, up) or 0) - up
    affected, felt = recovery.starved(stage.owner, up)
    return Felt(affected, max(claimed, accepted, felt), {"first accepted": accepted, "first claimed": claimed})


def terminate_backends(stage: Stage, rng: random.Random) -> Felt:
    """F7: pg_terminate_backend of every connection but the asking one."""
    make_a_queue(stage)
    at = recovery.now(stage.owner)
    stage.owner.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                     " AND backend_type = 'client backend'")  # fmt: skip
    until(lambda: first_accepted(stage, at) is not None, "an accepted submit", 60, 0.05)
    return Felt(*recovery.starved(stage.owner, at))


def make_postgres_read_only(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F18: every transaction is read-only for a while, as on a demoted primary; callers are told to come back."""
    make_a_queue(stage)
    at = time.time()
    postgres_pair.set_read_only(stage.cluster.postgres, is_read_only=True)
    try:
        last(seconds)
    finally:
        postgres_pair.set_read_only(stage.cluster.postgres, is_read_only=False)
    healed = recovery.now(stage.owner)
    until(lambda: first_accepted(stage, healed) is not None, "an accepted submit", 60, 0.05)
    accepted = (first_accepted(stage, healed) or healed) - healed
    taken, waited = recovery.taken_away(stage.owner, healed)
    starved, waiting = recovery.starved(stage.owner, healed)
    refused = sum(one.status == 503 for one in stage.load.history.answers() if at <= one.at <= healed)
    assert refused, "nobody was refused while Postgres was read-only"
    return Felt(taken + starved, max(accepted, waited, waiting), {"refused with 503": refused})


def make_redis_a_replica(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F20: Redis becomes a replica, which answers and takes no write; submits go on being accepted."""
    with Redis.from_url(stage.cluster.valkey.url) as redis:
        return _refusing(stage, seconds, lambda: redis.replicaof("127.0.0.1", 1), lambda: redis.replicaof("NO", "ONE"))


def fill_redis(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F20: Redis has no memory left; submits go on being accepted."""
    with Redis.from_url(stage.cluster.valkey.url) as redis:
        return _refusing(
            stage, seconds, lambda: redis.config_set("maxmemory", 1), lambda: redis.config_set("maxmemory", 0)
        )


def _refusing(stage: Stage, seconds: float, hurt: Callable[[], object], heal: Callable[[], object]) -> Felt:
    make_a_queue(stage)
    at = recovery.now(stage.owner)
    hurt()
    try:
        until(lambda: "degraded" in _statuses(stage), "a degraded api", 20, 0.1)
        last(seconds)
    finally:
        heal()
    healed = recovery.now(stage.owner)
    affected, felt = recovery.starved(stage.owner, healed)
    until(lambda: _statuses(stage) == {"ready"}, "every api to be ready", 30, 0.1)
    accepted = [one for one in stage.load.history.answers() if one.call == "submit" and at < one.at < healed - 0.5]
    assert any(one.status == 202 for one in accepted), "nothing was accepted meanwhile"
    return Felt(affected, felt)


def _statuses(stage: Stage) -> set[str]:
    answers = [httpx.get(f"{url}/readyz", timeout=3, trust_env=False).json() for url in stage.cluster.apis.values()]
    return {str(answer["status"]) for answer in answers}


def first_accepted(stage: Stage, since: float) -> float | None:
    """Return when the first submit was accepted that was sent after a moment."""
    times = [one.at + one.seconds for one in stage.load.history.answers()
             if one.call == "submit" and one.status == 202 and one.at > since]  # fmt: skip
    return min(times, default=None)


def make_a_queue(stage: Stage) -> None:
    """Let tasks of several tenants wait for a slot: more than can start for some seconds."""
    for tenant, count in (("narrow", 4), ("pair", 6), ("pro", 16), ("wide", 24)):
        stage.load.submit_many("long", tenant, [{"payload": {"seconds": 0.8, "value": n}} for n in range(count)])


_DEFAULTS: Final = ("task_default", "attempt_default", "result_default")
_LEFT: Final = " UNION ALL ".join(f"SELECT 1 FROM {name}" for name in _DEFAULTS)
# The month of what is submitted now becomes one that nobody has made: as after a restore, or with a clock that is ahead.
_UNMAKE: Final = """
DO $$
DECLARE
    name text;
    month text := to_char(now() AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
    FOREACH name IN ARRAY ARRAY['task', 'attempt', 'result'] LOOP
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', name, name || '_p' || month);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, name || '_p' || month);
        EXECUTE format('DROP TABLE %I', name || '_p' || month);
    END LOOP;
END $$
"""
_RETRIED: Final = 20


def lose_a_month(stage: Stage, rng: random.Random) -> Felt:
    """DEFAULT holds rows of this month while the load runs: they move into their month, and nothing stops."""
    make_a_queue(stage)
    for left in reversed(range(_RETRIED)):
        try:
            stage.owner.rows(_UNMAKE)
            break
        except asyncpg.DeadlockDetectedError:
            # The three tables at once, under load: the product locks one at a time.
            if not left:
                raise
    at = recovery.now(stage.owner)
    rows = stage.owner.value(f"SELECT count(*) FROM ({_LEFT}) AS rows")
    assert rows, "no row lies in DEFAULT"
    until(lambda: not stage.owner.value(f"SELECT EXISTS ({_LEFT})"), "DEFAULT to be empty", 60, 0.1)
    emptied = recovery.now(stage.owner) - at
    until(lambda: first_accepted(stage, at) is not None, "an accepted submit", 60, 0.05)
    affected, felt = recovery.starved(stage.owner, at)
    return Felt(affected, felt, {"rows in DEFAULT": rows, "DEFAULT empty after": emptied})
