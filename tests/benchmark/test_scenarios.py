"""The scenarios with tiny counts, one after the other on one stack."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scripts.benchmark import accounts, checked, deliveries, floods, noisy, servers, soak, tenants, weights
from scripts.benchmark.names import DESTINATIONS, POOLS, PREFORK
from scripts.benchmark.plan import DeliveriesPlan, FloodsPlan, NoisyPlan, SoakPlan, TenantsPlan, WeightsPlan
from scripts.benchmark.target import Target
from scripts.stack import parts
from scripts.stack.stackfile import Stack
from tests.benchmark.test_run import TINY

SMALL = replace(
    TINY,
    pools=POOLS,
    tenants=TenantsPlan(12, connections=4, rate=20, rate_seconds=0.5, submit_connections=4),
    noisy=NoisyPlan(100, milliseconds=50.0, seconds=0.5, alone_seconds=0.3, warm_seconds=0.1),
    weights=WeightsPlan(seconds=1.0, warm_seconds=0.5),
    floods=FloodsPlan(0.5, before_seconds=0.3, names=("openapi", "members", "replays of", "unread")),
    deliveries=DeliveriesPlan(100, warm_events=100),
    soak=SoakPlan(0.5, warm_seconds=0.2, rate=20, connections=4, idle_seconds=0.1),
)


@pytest.fixture(scope="module")
def product() -> Iterator[tuple[Stack, Target]]:
    """Yield the product with a worker of each pool, and a tenant's target."""
    with servers.ours(POOLS) as stack:
        yield stack, checked.target_of(stack, accounts.create(stack, "bench"), PREFORK)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_scenario_measures_what_the_report_shows(product: tuple[Stack, Target]) -> None:
    stack, target = product
    soaked = soak.on(stack, target, SMALL)
    assert soaked["load.half.operations"] == soaked["load.after.operations"] == 5
    assert soaked["before.files.api"] > 3
    assert soaked["after.threads.worker1"] >= 3
    delivered = deliveries.on(stack, target, SMALL)
    for kind in DESTINATIONS:
        assert delivered[f"{kind}.count"] == 100
        assert delivered[f"{kind}.cpu.webhooks"] > 0
    of_many = tenants.on(stack, target, SMALL)
    for pool in POOLS:
        assert of_many[f"{pool}.first.count"] == of_many[f"{pool}.e2e.count"] == 12
        assert of_many[f"{pool}.wait.count"] == 10
    assert of_many["submit.4.cpu.api"] > 0
    assert stack.workers() == []
    # The others leave a line behind: they come last.
    with servers._task_types(servers._TASK_MODULES):
        parts.start(stack, "worker1")
    beside = noisy.on(stack, target, SMALL, PREFORK)
    assert (beside["prefork.alone.count"], beside["prefork.beside.count"]) == (3, 5)
    assert beside["prefork.left"] > 0
    shared = weights.on(stack, target, SMALL)
    assert 0 < shared["busy"] <= 1.01
    assert sum(shared[f"share.{weight}"] for weight in (1, 2, 4)) == pytest.approx(1)
    flooded = floods.on(stack, SMALL)
    assert flooded["openapi.json, 400 a second.status.200"] > 50
    assert flooded["members with a taken address.status.201"] == 1
    assert flooded["replays of a batch.before"] > 0
    assert flooded["unread: 40 answers of 250 KB on each of 120 connections.during"] > 0


def test_a_deviation_is_a_part_of_the_share_that_is_due() -> None:
    seen = weights._figures({1: 15.0, 2: 30.0, 4: 55.0}, SMALL, seconds=100)
    assert seen["share.4"] == pytest.approx(0.55)
    assert seen["deviation"] == pytest.approx(0.05)
    assert seen["busy"] == pytest.approx(0.5)
