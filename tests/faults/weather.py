"""F8 to F10: a Postgres that freezes or is full, and lines between the parts that delay, break, and go silent."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import psutil

from tests.faults import recovery
from tests.faults.faults import Felt
from tests.faults.proxy import Weather
from tests.faults.server_faults import first_accepted
from tests.faults.stage import Stage
from tests.faults.waiting import last, until

_PATIENCE = 10.0
"""Seconds after which no call may be without an answer."""


def freeze_postgres(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F8: SIGSTOP Postgres with all its backends; who calls is told to come back."""
    at = time.time()
    with _frozen(stage.cluster.postgres.pid):
        last(seconds)
    healed = time.time()
    return _after(stage, at, healed)


def fill_connections(stage: Stage, rng: random.Random, seconds: float = 5) -> Felt:
    """F8: take every connection that Postgres has left, for a while."""
    at = time.time()
    taken = asyncio.run(_take_connections(stage.cluster.postgres.url, seconds))
    felt = _after(stage, at, time.time())
    felt.notes["connections taken"] = taken
    return felt


def delay(stage: Stage, rng: random.Random, seconds: float = 10) -> Felt:
    """F9: 200 ms more for each chunk, between half of the parts and both servers."""
    return _weather(stage, Weather(delay_seconds=0.2), seconds)


def break_lines(stage: Stage, rng: random.Random, seconds: float = 10) -> Felt:
    """F9: each connection of half of the parts to Postgres is reset after some kilobytes."""
    return _weather(stage, Weather(reset_after_bytes=rng.randrange(4_000, 40_000)), seconds, "postgres")


def go_silent(stage: Stage, rng: random.Random, seconds: float = 10) -> Felt:
    """F9: half-open: what half of the parts send goes nowhere, and nothing is closed."""
    return _weather(stage, Weather(is_swallowing=True), seconds)


def cut_commits(stage: Stage, rng: random.Random, seconds: float = 15) -> Felt:
    """F9: half of the commits of half of the parts are not answered: they are reset when they have been sent."""
    return _weather(stage, Weather(cut_at=b"COMMIT", cut_share=0.5), seconds, "postgres")


def partition(stage: Stage, rng: random.Random, seconds: float = 30) -> Felt:
    """F10, by proxies instead of a firewall: one api is cut off from Redis, one worker from Postgres."""
    chosen = [("api1", "valkey"), ("worker1", "postgres")]
    return _weather_of(stage, chosen, Weather(is_swallowing=True), seconds)


def _weather(stage: Stage, weather: Weather, seconds: float, *servers: str) -> Felt:
    chosen = [key for key in stage.cluster.proxies if not servers or key[1] in servers]
    return _weather_of(stage, chosen, weather, seconds)


def _weather_of(stage: Stage, chosen: list[tuple[str, str]], weather: Weather, seconds: float) -> Felt:
    proxies = [stage.cluster.proxies[key] for key in chosen]
    before, at = sum(proxy.cuts for proxy in proxies), time.time()
    try:
        for proxy in proxies:
            proxy.weather = weather
        last(seconds)
    finally:
        for proxy in proxies:
            proxy.clear()
    felt = _after(stage, at, time.time())
    felt.notes["connections reset"] = sum(proxy.cuts for proxy in proxies) - before
    return felt


def _after(stage: Stage, at: float, healed: float) -> Felt:
    until(lambda: first_accepted(stage, healed) is not None, "an accepted submit", 60, 0.05)
    accepted = (first_accepted(stage, healed) or healed) - healed
    # Who was cut off is found by its lease; what fell behind is claimed at once.
    affected, taken = recovery.taken_away(stage.owner, healed)
    starved, waited = recovery.starved(stage.owner, healed)
    answers = [one for one in stage.load.history.answers() if at <= one.at <= healed and one.call == "submit"]
    slowest = max((one.seconds for one in answers), default=0.0)
    assert slowest <= _PATIENCE + 2, f"a submit was without an answer for {slowest:.1f} s"
    refused = sum(one.status == 503 for one in answers)
    return Felt(
        affected + starved,
        max(accepted, taken, waited),
        {"slowest submit meanwhile": slowest, "refused with 503": refused},
    )


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    stopped = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in stopped:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)


async def _take_connections(url: str, seconds: float) -> int:
    taken: list[asyncpg.Connection[asyncpg.Record]] = []
    ends_at = time.monotonic() + seconds
    try:
        while time.monotonic() < ends_at:
            try:
                taken.append(await asyncpg.connect(url, timeout=3))
            except (asyncpg.PostgresError, OSError, TimeoutError):
                # Whoever lets go of one now shall not get it back.
                await asyncio.sleep(0.05)
        return len(taken)
    finally:
        for connection in taken:
            connection.terminate()
