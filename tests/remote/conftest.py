"""What the tests of tenants' own workers share: tenants whose workers are the tests themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import Stack, Tenant


@dataclass
class Crew:
    """A tenant with a type of its own, and the calls of a worker."""

    tenant: Tenant
    client: httpx.Client

    def declare(self, name: str, **values: Any) -> dict[str, Any]:
        """Declare a task type."""
        response = self.client.put(f"/api/task-types/{name}", json=values)
        assert response.status_code in {200, 201}, response.text
        return dict(response.json())

    def post(self, call: str, **body: Any) -> dict[str, Any]:
        """Make a call of a worker that must succeed."""
        response = self.client.post(f"/api/work/{call}", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def lease(self, *tasks: str, worker: str = "w", **more: Any) -> list[dict[str, Any]]:
        """Lease tasks."""
        return list(self.post("lease", worker=worker, tasks=list(tasks), **more)["leases"])

    def lease_one(self, task: str, **more: Any) -> dict[str, Any]:
        """Lease the one task that waits."""
        [leased] = self.lease(task, **more)
        return leased

    def finish(self, **result: Any) -> dict[str, Any]:
        """End one attempt; return what became of it."""
        [outcome] = self.post("finish", results=[result])["outcomes"]
        return dict(outcome)

    def beat(self, **lease: Any) -> dict[str, Any]:
        """Send a heartbeat for one lease; return what became of it."""
        [state] = self.post("heartbeat", leases=[lease])["leases"]
        return dict(state)


def crew_of(tenant: Tenant, stack: Stack) -> Crew:
    """Return a tenant with a key for workers."""
    made = tenant.client.post("/api/keys", json={"name": "worker", "scopes": ["tasks:work", "tasks:read"]})
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['api_key']}"}
    return Crew(tenant, httpx.Client(base_url=stack.url, headers=headers, timeout=30))


@pytest.fixture(scope="session")
def crew(make_tenant: Callable[..., Tenant], stack: Stack) -> Iterator[Crew]:
    """A tenant that runs tasks of its own. Each test declares types of its own names."""
    made = crew_of(make_tenant("crew"), stack)
    with made.client:
        yield made


@pytest.fixture(scope="session")
def rival(make_tenant: Callable[..., Tenant], stack: Stack) -> Iterator[Crew]:
    """Another one."""
    made = crew_of(make_tenant("rival"), stack)
    with made.client:
        yield made
