"""The endpoints that fail or are disabled, and the operator's switch."""

from tests.conftest import Tenant
from tests.operator.conftest import OperatorBrowser


def test_an_endpoint_is_disabled_and_enabled_by_the_operator(operator: OperatorBrowser, acme: Tenant):
    body = {"url": "http://127.0.0.1:9/hook?token=not-for-operators"}
    endpoint_id = acme.client.post("/api/webhooks/endpoints", json=body).json()["endpoint_id"]
    path, row = f"/api/webhooks/endpoints/{endpoint_id}", f'id="endpoint-{endpoint_id}"'
    assert row not in operator.get("/endpoints").text
    shown = operator.get("/endpoints?show=all&tenant=acme").text
    assert row in shown and "not-for-operators" not in shown
    page = operator.post(f"/endpoints/acme/{endpoint_id}/disable")
    assert row in page.text and "by the operator" in page.text
    assert acme.client.get(path).json()["disabled_by"] == "operator"
    # The tenant cannot enable it.
    assert acme.client.patch(path, json={"enabled": True}).status_code == 409
    assert row not in operator.post(f"/endpoints/acme/{endpoint_id}/enable").text
    assert acme.client.get(path).json()["enabled"] is True
    acme.client.delete(path)


def test_another_tenants_endpoint_and_an_unknown_one_are_the_same(
    operator: OperatorBrowser, acme: Tenant, globex: Tenant
):
    theirs = globex.client.post("/api/webhooks/endpoints", json={"url": "http://127.0.0.1:9/x"}).json()["endpoint_id"]
    operator.get("/endpoints")
    for endpoint_id in (theirs, "00000000-0000-7000-8000-000000000000", "none"):
        assert operator.post(f"/endpoints/acme/{endpoint_id}/disable").status_code == 404
    assert operator.post(f"/endpoints/nobody/{theirs}/disable").status_code == 404
    globex.client.delete(f"/api/webhooks/endpoints/{theirs}")
