"""Change a tenant: its plan, its limits, a suspension; and look into its console."""

import re
from collections.abc import Callable

import asyncpg
import httpx
import pytest

from tests.conftest import Tenant, wait_until
from tests.console.conftest import Browsers, heading
from tests.operator.conftest import OperatorBrowser


@pytest.fixture(scope="module")
def target(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant that this file changes."""
    return make_tenant("operated", plan="free")


def _limits(tenant: Tenant) -> dict[str, int | None]:
    answer = tenant.client.get("/api/limits")
    return {item["name"]: item["limit"] for item in answer.json()["items"]} if answer.status_code == 200 else {}


def test_a_limit_is_overridden_and_given_back_to_the_plan(operator: OperatorBrowser, target: Tenant):
    operator.get("/tenants/operated")
    assert operator.post("/tenants/operated/limit", name="streams", value="77").status_code == 200
    wait_until(lambda: _limits(target).get("streams") == 77, "the new limit", 5)
    page = operator.get("/tenants/operated")
    assert "tenant.limits_changed" in page.text
    operator.post("/tenants/operated/limit", name="streams", value="")
    wait_until(lambda: _limits(target).get("streams") == 10, "the limit of the plan", 5)


@pytest.mark.parametrize(
    ("name", "value"), [("streams", "many"), ("streams", "-5"), ("none", "5"), ("weight", "0"), ("streams", "9" * 19)]
)
def test_a_limit_that_is_not_possible_is_refused(operator: OperatorBrowser, target: Tenant, name: str, value: str):
    operator.get("/tenants/operated")
    page = operator.post("/tenants/operated/limit", name=name, value=value)
    assert (page.status_code, 'role="alert"' in page.text) == (422, True)
    assert heading(page) == "operated"


def test_the_plan_is_changed(operator: OperatorBrowser, target: Tenant):
    operator.get("/tenants/operated")
    assert operator.post("/tenants/operated/plan", plan="gold").status_code == 422
    operator.post("/tenants/operated/plan", plan="pro")
    wait_until(lambda: _limits(target).get("running") == 20, "the new plan", 5)
    operator.post("/tenants/operated/plan", plan="free")


def test_a_suspended_tenant_is_refused_until_it_is_resumed(operator: OperatorBrowser, target: Tenant):
    operator.get("/tenants/operated")
    page = operator.post("/tenants/operated/suspend")
    assert "This tenant is suspended" in page.text
    assert 'id="tenant-operated"' in operator.get("/tenants?status=suspended").text
    wait_until(lambda: target.client.get("/api/limits").status_code == 403, "the suspension", 5)
    operator.get("/tenants/operated")
    operator.post("/tenants/operated/resume")
    wait_until(lambda: target.client.get("/api/limits").status_code == 200, "its end", 5)


def test_an_unknown_tenant_is_not_found(operator: OperatorBrowser):
    assert operator.get("/tenants/nobody").status_code == 404
    operator.get("/tenants")
    for act in ("plan", "limit", "suspend", "resume", "enter"):
        assert operator.post(f"/tenants/nobody/{act}", plan="pro", name="streams", value="1").status_code == 404


async def test_an_operator_looks_into_a_tenant_as_a_viewer_for_15_minutes_audited_on_both_sides(
    operator: OperatorBrowser,
    target: Tenant,
    browsers: Browsers,
    environment: dict[str, str],
):
    operator.get("/tenants/operated")
    page = operator.post("/tenants/operated/enter")
    [url] = re.findall(r'href="(http://[^"]+/console/link/[\w-]{43})"', page.text)
    assert httpx.URL(url).netloc == target.client.base_url.netloc
    inside = browsers()
    assert heading(inside.open_link(url)) == "Overview"
    # It changes nothing there.
    for path in ("/submit", "/keys"):
        assert inside.get(path).status_code == 403
    assert inside.post("/queue/pause").status_code == 403
    mine = target.client.get("/api/audit", params={"actor": "operator"}).json()["items"]
    [entered] = [event for event in mine if event["action"] == "tenant.entered"]
    assert (entered["actor"], entered["detail"]) == (None, {"role": "viewer", "seconds": 900})
    assert "portal_link.used" in {event["action"] for event in mine}
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        rows = await owner.fetch(
            "SELECT tenant_id IS NULL AS is_ours, actor, address FROM audit_event"
            " WHERE action = 'tenant.entered' AND object = 'operated' ORDER BY 1"
        )
        left = await owner.fetchval(
            "SELECT max(s.expires_at) - now() FROM console_session s JOIN tenant t ON t.id = s.tenant_id"
            " WHERE t.slug = 'operated'"
        )
    finally:
        await owner.close()
    assert [row["is_ours"] for row in rows] == [False, True]
    assert all(row["actor"] and row["address"].startswith("127.9.") for row in rows)
    assert 850 < left.total_seconds() <= 900
