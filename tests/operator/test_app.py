"""Every page, what a stranger gets, and what each answer carries."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.core import secrets
from app.operator.pages import PAGES, OperatorPage
from tests.conftest import Stack, Tenant
from tests.console.conftest import heading
from tests.operator.conftest import OperatorBrowser

HEADINGS = {
    "": "Overview",
    "/tenants": "Tenants",
    "/tenants/acme": "acme",
    "/queues": "Queues",
    "/queues?show=all": "Queues",
    "/workers": "Workers",
    "/processes": "Processes",
    "/endpoints": "Endpoints",
    "/endpoints?show=all": "Endpoints",
}
_CLOSED = [page for page in PAGES if not page.is_open]


def _id(page: OperatorPage) -> str:
    return page.method + page.under


def test_every_page_has_one_heading_and_the_headers_that_keep_others_out(operator: OperatorBrowser, acme: Tenant):
    for path, expected in HEADINGS.items():
        page = operator.get(path)
        assert (page.status_code, heading(page)) == (200, expected)
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert (page.headers["Cache-Control"], page.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", page.text), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text), path


@pytest.mark.parametrize("page", _CLOSED, ids=_id)
def test_a_stranger_is_shown_nothing_and_may_send_no_form(
    visitors: Callable[[], OperatorBrowser], acme: Tenant, page: OperatorPage
):
    browser = visitors()
    path = page.under.replace("{slug}", "acme").replace("{endpoint_id}", str(uuid.uuid4()))
    if page.method == "GET":
        shown = browser.get(path)
        assert heading(shown) == "Operator: sign in"
        assert "acme" not in shown.text
        assert browser.get(path, **{"X-Console-Live": "1"}).status_code == 401
    else:
        browser.get("/sign-in")
        refused = browser.post(path, slug="none", name="n", plan="free", value="1")
        assert (refused.status_code, "acme" in refused.text) == (401, False)


def test_a_session_of_the_console_opens_nothing_here(visitors: Callable[[], OperatorBrowser], acme: Tenant):
    url = acme.client.post("/api/portal-links", json={"role": "owner"}).json()["url"]
    browser = visitors()
    # The secret of a portal link is no link of an operator's, and a cookie of the console is no session here.
    assert browser.get(f"/link/{url.rpartition('/')[2]}").status_code == 404
    console = httpx.Client(base_url=acme.client.base_url)
    page = console.get(url)
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token is not None
    console.post(url, data={"csrf": token[1]})
    browser.client.cookies.set("operator", console.cookies["console"], domain="127.0.0.1", path="/")
    assert heading(browser.get("/tenants")) == "Operator: sign in"
    console.close()


def test_a_form_without_its_token_changes_nothing(
    operator: OperatorBrowser, visitors: Callable[[], OperatorBrowser], make_link: Callable[[], str], acme: Tenant
):
    other = visitors()
    other.open_link(make_link())
    operator.get("/queues")
    for token in ("", "0" * 64, other._csrf):
        assert operator.post("/queues/acme/pause", csrf=token).status_code == 403
    data = {"csrf": operator._csrf}
    assert operator.client.post("/queues/acme/pause", json=data).status_code == 415
    for site in ("cross-site", "same-site"):
        answer = operator.client.post("/queues/acme/pause", data=data, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert "tenant.acme" not in operator.get("/queues").text
    assert acme.client.get("/api/limits").json()["queue"]["paused"] is False


def test_over_http_only_a_browser_on_the_same_machine_is_served(operator_url: str):
    refused = httpx.get(f"{operator_url}/sign-in", headers={"Host": "ops.example.com"}, trust_env=False)
    assert (refused.status_code, "needs https" in refused.text) == (403, True)
    # No proxy was named, so nobody is believed to have ended TLS.
    headers = {"Host": "ops.example.com", "X-Forwarded-Proto": "https"}
    assert httpx.get(f"{operator_url}/sign-in", headers=headers, trust_env=False).status_code == 403
    cookie = httpx.get(f"{operator_url}/sign-in", trust_env=False).headers["Set-Cookie"]
    assert re.fullmatch(r"operator=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", cookie)


def test_the_files_of_the_console_are_served_and_nothing_else(operator: OperatorBrowser):
    page = operator.get("")
    files = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    assert len(files) == 4
    assert {operator.client.get(file).status_code for file in files} == {200}
    assert operator.client.get("/assets/none-000000000000.js").status_code == 404
    for path in ("/nothing", "/docs", "/openapi.json", "/api/tasks", "/console"):
        assert operator.get(path).status_code == 404, path


def test_a_refresh_of_a_page_that_has_not_changed_is_a_304(operator: OperatorBrowser):
    live = {"X-Console-Live": "1"}
    first = operator.get("/endpoints", **live)
    again = operator.get("/endpoints", **live, **{"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_the_api_never_has_the_password_of_the_operators_role(stack: Stack, operator_url: str):
    whole = Path(stack.environment["SECRETS_FILE"])
    password = secrets.load(secrets.admin_path(whole)).role_passwords["tq_admin"]
    assert "tq_admin" not in secrets.load(whole).role_passwords
    assert password not in whole.read_text()
    holders = {name for name, process in stack.processes.items() if _has_in_memory(process.pid, password.encode())}
    # The operator's process shows that such a search finds it.
    assert holders & {"api", "dispatcher", "worker", "operator"} == {"operator"}


def _has_in_memory(pid: int, secret: bytes) -> bool:
    """Return whether a process has a secret anywhere in its memory, with its environment and what it has read."""
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights = line.split()[:2]
            first, last = (int(edge, 16) for edge in place.split("-"))
            if not rights.startswith("rw"):
                continue
            try:
                memory.seek(first)
                if secret in memory.read(last - first):
                    return True
            except OSError:
                continue  # the region has gone meanwhile, or is a device's
    return False


def test_the_overview_draws_the_ends_of_all_tenants_by_hour(operator: OperatorBrowser):
    page = operator.get("").text
    chart = page.partition('aria-label="Ended tasks of all tenants by hour"')[2].partition("</svg>")[0]
    assert chart.count("<title>") in {24, 25}
    assert re.search(r"<dt>Accepted</dt><dd class=\"n\">[\d\u202f]+</dd>", page)
