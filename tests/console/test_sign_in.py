"""Sign in, choose a tenant, accept an invitation, use a link, and be signed out."""

import json
import re
import subprocess
from collections.abc import Callable

import asyncpg
import pytest

from tests.conftest import Tenant, wait_until
from tests.console.conftest import PASSWORD, Browsers, PlainBrowser, add, heading


def _invite(tenant: Tenant, email: str, role: str = "viewer") -> str:
    made = tenant.client.post("/api/members", json={"email": email, "role": role})
    assert made.status_code == 201, made.text
    return str(made.json()["invitation"])


def _is_out(browser: PlainBrowser) -> bool:
    return heading(browser.get("")) == "Sign in"


def test_a_person_signs_in_goes_to_the_wanted_page_and_signs_out(acme: Tenant, browsers: Browsers):
    browser, email = browsers(), add(acme, "viewer")["email"]
    asked = browser.get("/tasks?status=FAILURE")
    assert heading(asked) == "Sign in"
    assert 'name="next" value="/tasks?status=FAILURE"' in asked.text
    page = browser.post("/sign-in", email=email, password=PASSWORD, next="/tasks?status=FAILURE")
    assert (heading(page), page.url.query) == ("Tasks", b"status=FAILURE")
    old = browser.client.cookies["console"]
    assert heading(browser.post("/sign-out")) == "Sign in"
    assert browser.client.cookies["console"] != old
    browser.client.cookies.set("console", old, domain="127.0.0.1", path="/console")
    wait_until(lambda: _is_out(browser), "the end of the session", 3)


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil", "/../x", "javascript:1", "/a\nb"]
)
def test_a_sign_in_leads_to_no_other_site(acme: Tenant, browsers: Browsers, wanted: str):
    browser = browsers()
    email = add(acme, "viewer")["email"]
    browser.get("/sign-in")
    page = browser.post("/sign-in", email=email, password=PASSWORD, next=wanted)
    assert heading(page) == "Overview"


def test_a_wrong_password_and_an_unknown_address_get_the_same_page(acme: Tenant, browsers: Browsers):
    browser, email = browsers(), add(acme, "viewer")["email"]
    pages = [browser.sign_in(email, "wrong"), browser.sign_in("nobody@example.com", "wrong")]
    assert {page.status_code for page in pages} == {401}
    assert len({re.sub(r'value="[^"]*"', "", page.text) for page in pages}) == 1


def test_a_sign_in_of_the_console_counts_with_those_of_the_api(browsers: Browsers):
    browser = browsers()
    body = {"email": "nobody@example.com", "password": "wrong"}
    for number in range(5):
        browser.sign_in(f"nobody{number}@example.com", "wrong")
        browser.client.post("/api/auth/login", json=body | {"email": f"other{number}@example.com"})
    assert browser.sign_in("nobody@example.com").status_code == 429
    assert browser.client.post("/api/auth/login", json=body).status_code == 429


def test_the_cookie_of_before_the_sign_in_is_worth_nothing_after_it(acme: Tenant, browsers: Browsers):
    browser, email = browsers(), add(acme, "viewer")["email"]
    browser.get("/sign-in")
    planted = browser.client.cookies["console"]
    browser.post("/sign-in", email=email, password=PASSWORD)
    assert browser.client.cookies["console"] != planted
    other = browsers()
    other.client.cookies.set("console", planted, domain="127.0.0.1", path="/console")
    assert _is_out(other)


def test_a_person_of_two_tenants_accepts_chooses_and_switches(acme: Tenant, globex: Tenant, browsers: Browsers):
    browser, email = browsers(), add(acme, "viewer")["email"]
    code = _invite(globex, email, "owner")
    page = browser.sign_in(email)
    assert heading(page) == "Choose a tenant"
    proof = re.search(r'name="proof" value="([^"]+)"', page.text)[1]  # type: ignore[index]
    accept = {"proof": proof, "tenant": "globex"}
    wrong = browser.post("/sign-in/invitation", **accept, code="x" * 43, new_password="my own password")
    assert wrong.status_code == 401
    # The password is the person's own by now.
    mine = "my own password"
    proof = re.search(r'name="proof" value="([^"]+)"', wrong.text)[1]  # type: ignore[index]
    inside = browser.post("/sign-in/invitation", proof=proof, tenant="globex", code=code)
    assert heading(inside) == "Overview" and "<strong>globex</strong>" in inside.text
    assert heading(browser.post("/you/tenant", tenant="acme")) == "Overview"
    assert "<strong>acme</strong>" in browser.get("/you").text
    assert browser.get("/keys").status_code == 403
    assert browser.post("/you/tenant", tenant="side").status_code == 422
    again = browsers()
    choice = again.sign_in(email, mine)
    proof = re.search(r'name="proof" value="([^"]+)"', choice.text)[1]  # type: ignore[index]
    assert again.post("/sign-in/tenant", proof=proof, tenant="side").status_code == 401
    assert "<strong>globex</strong>" in again.post("/sign-in/tenant", proof=proof, tenant="globex").text
    # Another browser cannot use what this one has proven.
    thief = browsers()
    thief.get("/sign-in")
    assert thief.post("/sign-in/tenant", proof=proof, tenant="globex").status_code == 401


def test_an_invitation_needs_a_password_of_ones_own(acme: Tenant, globex: Tenant, browsers: Browsers):
    browser, email = browsers(), add(acme, "viewer")["email"]
    code = _invite(globex, email)
    proof = re.search(r'name="proof" value="([^"]+)"', browser.sign_in(email).text)[1]  # type: ignore[index]
    refused = browser.post("/sign-in/invitation", proof=proof, tenant="globex", code=code)
    assert (refused.status_code, "password of your own" in refused.text) == (422, True)


def test_signing_out_everywhere_ends_every_session_within_two_seconds(acme: Tenant, browsers: Browsers):
    email = add(acme, "viewer")["email"]
    first, second = browsers(), browsers()
    for browser in (first, second):
        browser.sign_in(email)
    first.get("/you")
    assert heading(first.post("/you/sign-out-everywhere")) == "Sign in"
    wait_until(lambda: _is_out(second), "the end of the other session", 3)


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(acme: Tenant, browsers: Browsers):
    email = add(acme, "viewer")["email"]
    first, second = browsers(), browsers()
    for browser in (first, second):
        browser.sign_in(email)
    first.get("/you")
    wrong = first.post("/you/password", current_password="wrong", new_password="a new long password")
    short = first.post("/you/password", current_password=PASSWORD, new_password="short")
    assert (wrong.status_code, short.status_code) == (401, 422)
    done = first.post("/you/password", current_password=PASSWORD, new_password="a new long password")
    assert heading(done) == email
    wait_until(lambda: _is_out(second), "the end of the other session", 3)
    assert heading(first.get("")) == "Overview"


@pytest.mark.parametrize("by", ["disabled", "removed", "tokens revoked"])
async def test_a_session_ends_within_two_seconds_of(
    acme: Tenant, globex: Tenant, browsers: Browsers, admin: Callable[..., subprocess.CompletedProcess[str]], by: str
):
    tenant = globex if by == "tokens revoked" else acme
    member, browser = add(tenant, "viewer"), browsers()
    browser.sign_in(member["email"])
    assert not _is_out(browser)
    path = f"/api/members/{member['member_id']}"
    if by == "disabled":
        assert tenant.client.patch(path, json={"disabled": True}).status_code == 200
    elif by == "removed":
        assert tenant.client.delete(path).status_code == 204
    else:
        admin("tenant", "revoke-tokens", "globex", "--json").check_returncode()
    wait_until(lambda: _is_out(browser), "the end of the session", 3)


def test_a_person_of_a_suspended_tenant_signs_in_to_another_one(
    acme: Tenant,
    make_tenant: Callable[..., Tenant],
    browsers: Browsers,
    admin: Callable[..., subprocess.CompletedProcess[str]],
):
    suspended, browser = make_tenant("suspended-console"), browsers()
    email = add(suspended, "viewer")["email"]
    assert heading(browser.sign_in(email)) == "Overview"
    acme_code = _invite(acme, email)
    admin("tenant", "suspend", suspended.slug, "--json").check_returncode()
    wait_until(lambda: heading(browser.get("")) == "Tenant suspended", "the suspension", 3)
    page = browser.sign_in(email)
    assert heading(page) == "Choose a tenant"
    proof = re.search(r'name="proof" value="([^"]+)"', page.text)[1]  # type: ignore[index]
    accept = {"proof": proof, "tenant": "acme", "code": acme_code, "new_password": "my own password"}
    assert "<strong>acme</strong>" in browser.post("/sign-in/invitation", **accept).text


def _link(tenant: Tenant, **body: str) -> str:
    made = tenant.client.post("/api/portal-links", json={"role": "viewer"} | body)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store"), made.text
    return str(made.json()["url"])


def test_a_portal_link_works_once_for_its_role_and_dies_with_its_key(acme: Tenant, browsers: Browsers):
    scopes = ["portal:create", "tasks:read", "usage:read", "tasks:write", "webhooks:manage", "webhooks:read"]
    key = acme.client.post("/api/keys", json={"name": "backend", "scopes": scopes}).json()
    headers = {"Authorization": f"Bearer {key['api_key']}"}
    client = browsers().client
    refused = client.post("/api/portal-links", json={"role": "owner"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    body = {"role": "viewer", "member": "Ann of ACME", "theme": "dark"}
    url = client.post("/api/portal-links", json=body, headers=headers).json()["url"]
    # Whoever only opens the page, for example a scanner of mails, does not use it up.
    for _ in range(2):
        assert "Ann of ACME" in browsers().get(url.partition("/console")[2]).text
    browser = browsers()
    page = browser.open_link(url)
    assert heading(page) == "Overview"
    assert 'data-theme="dark"' in browser.get("").text
    assert "Ann of ACME" in page.text and browser.get("/submit").status_code == 403
    assert browsers().get(url.partition("/console")[2]).status_code == 404
    assert browser.open_link(url).status_code == 404
    used = acme.client.get("/api/audit", params={"action": "portal_link.used"}).json()["items"][0]
    assert (used["actor"], used["detail"]) == (key["key_id"], {"role": "viewer", "member": "Ann of ACME"})
    assert acme.client.delete(f"/api/keys/{key['key_id']}").status_code == 204
    wait_until(lambda: _is_out(browser), "the end of the session", 3)


def test_a_portal_link_leads_back_only_to_an_origin_that_an_owner_has_listed(
    make_tenant: Callable[..., Tenant], browsers: Browsers
):
    tenant = make_tenant("portal-return")
    body = {"role": "viewer", "return_url": "https://app.example.com/reports?of=ann#now"}
    refused = tenant.client.post("/api/portal-links", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/return_url")
    assert "/api/portal-settings" in refused.json()["errors"][0]["detail"]
    # An owner lists it in the console.
    owner, email = browsers(), add(tenant, "owner")["email"]
    owner.sign_in(email)
    owner.get("/members")
    assert "without a path" in owner.post("/members/portal", return_origins="https://app.example.com/x").text
    page = owner.post("/members/portal", return_origins="https://app.example.com http://localhost:3000")
    assert (page.status_code, ">https://app.example.com\nhttp://localhost:3000<" in page.text) == (200, True)
    event = tenant.client.get("/api/audit", params={"action": "portal.origins_changed"}).json()["items"][0]
    assert (event["actor"], event["detail"]["origins"][0]) == (email, "https://app.example.com")
    browser, url = browsers(), _link(tenant, **body)
    back = 'href="https://app.example.com/reports?of=ann#now">'
    assert back in browser.get(url.partition("/console")[2]).text
    browser.open_link(url)
    page = browser.get("/tasks")
    assert back in page.text and "Back to app.example.com" in page.text
    for url in (
        "https://app.example.com.evil.example/", "https://app.example.com@evil.example/", "https://app.example.com\\@evil",
        "http://app.example.com/", "https://APP.example.com/", "https://app.example.com:444/", "javascript:alert(1)",
        "//app.example.com/", 'https://app.example.com/"x', "https://app.example.com/ x", "",
    ):  # fmt: skip
        assert tenant.client.post("/api/portal-links", json=body | {"return_url": url}).status_code == 422, url


def test_the_origins_of_portal_links_are_listed_over_the_api(make_tenant: Callable[..., Tenant]):
    tenant, path = make_tenant("portal-settings"), "/api/portal-settings"
    assert tenant.client.get(path).json() == {"return_origins": []}
    wanted = {"return_origins": ["https://a.example.com", "https://a.example.com", "https://[::1]:8443"]}
    stored = {"return_origins": ["https://a.example.com", "https://[::1]:8443"]}
    assert tenant.client.put(path, json=wanted).json() == stored
    for origin in ("https://a.example.com/", "http://a.example.com", "https://*.example.com", "null", "https://a:0"):
        assert tenant.client.put(path, json={"return_origins": [origin]}).status_code == 422, origin
    assert tenant.client.put(path, json={"return_origins": ["https://a.example.com"] * 21}).status_code == 422
    assert tenant.client.get(path).json() == stored


def test_what_is_no_portal_link_is_refused(acme: Tenant, browsers: Browsers):
    for body in ({}, {"role": "admin"}, {"role": "viewer", "theme": "pink"}, {"role": "viewer", "member": ""}):
        assert acme.client.post("/api/portal-links", json=body).status_code == 422
    for secret in ("x", "x" * 43, "%00"):
        assert browsers().get(f"/link/{secret}").status_code == 404


async def test_a_portal_link_is_valid_for_five_minutes(acme: Tenant, browsers: Browsers, environment: dict[str, str]):
    url = _link(acme)
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        left = await owner.fetchval("SELECT max(expires_at) - now() FROM portal_link")
        assert 290 < left.total_seconds() <= 300
        await owner.execute("UPDATE portal_link SET expires_at = now()")
    finally:
        await owner.close()
    assert browsers().get(url.partition("/console")[2]).status_code == 404


def test_the_operators_link_opens_the_console_of_a_tenant(
    acme: Tenant, browsers: Browsers, admin: Callable[..., subprocess.CompletedProcess[str]]
):
    done = admin("console-link", "acme", "--role", "developer", "--url", str(acme.client.base_url), "--json")
    made = json.loads(done.stdout.splitlines()[-1])
    browser = browsers()
    assert heading(browser.open_link(made["url"])) == "Overview"
    assert (browser.get("/submit").status_code, browser.get("/keys").status_code) == (200, 403)
    # What it does is the operator's act, and its name is not told.
    browser.get("")
    browser.post("/queue/pause")
    browser.post("/queue/resume")
    event = acme.client.get("/api/audit", params={"actor": "operator"}).json()["items"][0]
    assert (event["action"], event["actor_type"], event["actor"]) == ("queue.resumed", "operator", None)
    assert admin("console-link", "none", "--json").returncode == 3
