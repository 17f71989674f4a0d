"""What the tests of endpoints share: tenants that make endpoints over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Tenant

URL = "https://hooks.example.com/tasks"


def create(tenant: Tenant, url: str = URL, **body: Any) -> dict[str, Any]:
    """Create an endpoint; return it with its secret."""
    response = tenant.client.post("/api/webhooks/endpoints", json={"url": url} | body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def change(tenant: Tenant, endpoint_id: str, **body: Any) -> dict[str, Any]:
    """Change an endpoint; return it."""
    response = tenant.client.patch(f"/api/webhooks/endpoints/{endpoint_id}", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get(tenant: Tenant, endpoint_id: str) -> dict[str, Any]:
    """Return an endpoint."""
    return dict(tenant.client.get(f"/api/webhooks/endpoints/{endpoint_id}").json())


@pytest.fixture(scope="session")
def hooked(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant with endpoints, which the tests here share."""
    return make_tenant("hooked")


@pytest.fixture
def tenant(hooked: Tenant) -> Tenant:
    """The tenant, without endpoints of earlier tests."""
    while page := hooked.client.get("/api/webhooks/endpoints", params={"limit": 100}).json()["items"]:
        for item in page:
            hooked.client.delete(f"/api/webhooks/endpoints/{item['endpoint_id']}")
    return hooked
