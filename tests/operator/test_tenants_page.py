"""Find tenants, and create one."""

import html
import re
import uuid

import httpx

from tests.conftest import Tenant
from tests.console.conftest import heading
from tests.operator.conftest import OperatorBrowser


def test_a_new_tenant_can_call_the_api_with_the_key_that_is_shown_once(operator: OperatorBrowser, acme: Tenant):
    slug = f"made-{uuid.uuid4().hex[:8]}"
    operator.get("/tenants")
    page = operator.post("/tenants", slug=slug, name="Made <b>here</b>", plan="pro")
    assert page.status_code == 200
    [key], [secret] = (
        re.findall(rf"{form}[0-9A-Za-z+/=_-]+", html.unescape(page.text)) for form in ("tq_live_", "whsec_")
    )
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.get(f"{acme.client.base_url}/api/limits", headers=headers, trust_env=False)
    assert (limits.status_code, limits.json()["plan"]) == (200, "pro")
    assert secret and key not in operator.get("/tenants").text
    shown = operator.get(f"/tenants/{slug}")
    assert heading(shown) == slug
    assert "Made &lt;b&gt;here&lt;/b&gt;" in shown.text
    assert "tenant.created" in shown.text and "key.issued" in shown.text


def test_what_cannot_be_created_is_said_and_creates_nothing(operator: OperatorBrowser, acme: Tenant):
    operator.get("/tenants")
    for fields, status in (
        ({"slug": "acme", "name": "n", "plan": "free"}, 409),
        ({"slug": "Not A Slug", "name": "n", "plan": "free"}, 422),
        ({"slug": "unnamed-one", "name": " ", "plan": "free"}, 422),
        ({"slug": "unplanned-one", "name": "n", "plan": "gold"}, 422),
    ):
        page = operator.post("/tenants", **fields)
        assert (page.status_code, 'role="alert"' in page.text) == (status, True), fields
    assert "unnamed-one" not in (listed := operator.get("/tenants?q=un").text.partition('id="list"')[2])
    assert "unplanned-one" not in listed


def test_the_list_is_searched_by_slug_name_and_id(operator: OperatorBrowser, acme: Tenant, globex: Tenant):
    for search in ("ACM", acme.tenant_id):
        listed = operator.get(f"/tenants?q={search}").text
        assert 'id="tenant-acme"' in listed and 'id="tenant-globex"' not in listed
    nothing = operator.get("/tenants?q=nobody-at-all")
    assert "No tenant matches" in nothing.text
    assert 'id="tenant-acme"' not in operator.get("/tenants?q=acme&status=suspended").text
    assert operator.get("/tenants?q=%00").status_code == 422
