"""Real workers are shared by weight."""

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Tenant, wait_until


@pytest.mark.usefixtures("quiet_stack")
def test_saturated_tenants_get_worker_time_by_weight(
    make_tenant: Callable[..., Tenant], admin: Callable[..., subprocess.CompletedProcess[str]]
):
    # Of a short type, whatever other tests have run: long ones share one slot less. One after the other, each would get as many tasks, and the tenant of weight 1 four fifths of the time.
    seconds, counts = {1: 0.2, 4: 0.05}, {1: 90, 4: 900}
    tenants = {weight: make_tenant(f"weight-{weight}") for weight in seconds}
    for weight, tenant in tenants.items():
        assert admin("tenant", "set-limit", tenant.slug, f"weight={weight}").returncode == 0
        assert admin("queue", "pause", tenant.slug).returncode == 0
    for weight, tenant in tenants.items():
        tasks = [{"task": "test.rest", "payload": {"seconds": seconds[weight]}}] * counts[weight]
        assert tenant.client.post("/api/tasks/batch", json={"tasks": tasks}).status_code == 202
    for tenant in tenants.values():
        assert admin("queue", "resume", tenant.slug).returncode == 0

    def used(weight: int) -> float:
        items = tenants[weight].client.get("/api/usage").json()["month"]["by_task"]
        return float(sum(item["worker_seconds"] for item in items))

    # They begin one after the other, and what was used before they competed counts for nothing.
    wait_until(lambda: used(1) > 2 and used(4) > 2, "a beginning", 60)
    before = {weight: used(weight) for weight in tenants}
    wait_until(lambda: used(1) + used(4) - sum(before.values()) > 20, "20 worker seconds", 60)
    share = (used(4) - before[4]) / (used(1) + used(4) - sum(before.values()))
    for tenant in tenants.values():
        assert admin("tenant", "suspend", tenant.slug).returncode == 0
    # By weight it is 0.8; one after the other it would be 0.2.
    assert 0.7 < share < 0.9
