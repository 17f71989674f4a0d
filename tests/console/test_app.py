"""Every page for every role, what a stranger gets, and what each answer carries."""

import itertools
import re
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from app.console.pages import PAGES
from tests.conftest import Tenant
from tests.console.conftest import Browsers, PlainBrowser, add, heading

_OF_ALL = ("", "/tasks", "/errors", "/schedules", "/webhooks", "/webhooks/deliveries", "/usage", "/you")
PAGES_OF_ROLES = {
    "viewer": {*_OF_ALL},
    "developer": {*_OF_ALL, "/submit", "/schedules/new", "/webhooks/new"},
    "owner": {*_OF_ALL, "/submit", "/schedules/new", "/webhooks/new", "/keys", "/members", "/audit"},
}
OF_SESSIONS = sorted(PAGES_OF_ROLES["owner"])


@pytest.mark.parametrize("role", PAGES_OF_ROLES)
def test_a_role_sees_its_pages_and_no_link_to_others(as_role: Callable[[str], PlainBrowser], role: str):
    browser, mine = as_role(role), PAGES_OF_ROLES[role]
    for path in OF_SESSIONS:
        page = browser.get(path)
        assert page.status_code == (200 if path in mine else 403), path
        assert heading(page)
        for other in set(OF_SESSIONS) - mine:
            assert f'href="/console{other}"' not in page.text


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.scope is not None], ids=lambda page: page.method + page.under
)
def test_a_stranger_is_led_to_the_sign_in_and_may_send_no_form(browsers: Browsers, page: object):
    browser = browsers()
    path = re.sub(r"\{\w+\}", str(uuid.uuid4()), page.under)  # type: ignore[attr-defined]
    if page.method == "GET":  # type: ignore[attr-defined]
        assert heading(browser.get(path)) == "Sign in"
        # The refresh of a page is not led anywhere: the page asks for itself again, and is then.
        assert browser.get(path, **{"X-Console-Live": "1"}).status_code == 401
    else:
        browser.get("/sign-in")
        assert browser.post(path).status_code == 401


def test_every_answer_has_the_headers_that_keep_others_out(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("owner")
    for path in ("", "/tasks", "/sign-in", "/nothing", "/keys"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_has_a_script_or_style_of_its_own(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("owner")
    for path in OF_SESSIONS:
        text = browser.get(path).text
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text), path


def test_a_page_weighs_little(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("owner")
    page = browser.get("")
    files = re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', page.text)
    assert len(files) == 4
    weights = [len(httpx.get(page.url.join(file)).content) for file in files]
    for path in OF_SESSIONS:
        assert len(browser.get(path).content) + sum(weights) < 250_000, path


def test_another_tenants_task_is_an_unknown_one(as_role: Callable[[str], PlainBrowser], globex: Tenant):
    browser = as_role("owner")
    theirs = globex.submit(task="echo", payload=1, delay_seconds=3600)
    unknown = str(uuid.uuid4())
    for path in ("/tasks/{}", "/submit?from={}"):
        pages = [browser.get(path.format(task_id)) for task_id in (theirs, unknown)]
        assert [page.status_code for page in pages] == [404, 404]
    for act in ("cancel", "retry"):
        pages = [browser.post(f"/tasks/{task_id}/{act}") for task_id in (theirs, unknown)]
        assert [page.status_code for page in pages] == [404, 404]
    assert browser.get("/tasks/none").status_code == 404
    assert browser.get(f"/operations/{unknown}").status_code == 404
    assert globex.status(theirs)["status"] == "PENDING"


def test_a_viewer_finds_no_button_and_every_form_is_refused(as_role: Callable[[str], PlainBrowser], acme: Tenant):
    browser = as_role("viewer")
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    page = browser.get(f"/tasks/{task_id}")
    assert "/cancel" not in page.text and "/retry" not in page.text and "Duplicate" not in page.text
    assert "Pause the queue" not in browser.get("").text
    for path in (f"/tasks/{task_id}/cancel", f"/tasks/{task_id}/retry", "/queue/pause", "/submit", "/tasks/bulk/start"):
        assert browser.post(path, task="echo", action="cancel", task_id=task_id).status_code == 403, path
    for path in ("/keys", "/members", "/keys/x/revoke", f"/members/{uuid.uuid4()}/remove"):
        assert browser.post(path, name="n", email="a@b.c").status_code == 403, path
    assert acme.status(task_id)["status"] == "PENDING"


def test_a_form_without_its_token_changes_nothing(as_role: Callable[[str], PlainBrowser], acme: Tenant):
    browser, task_id = as_role("owner"), acme.submit(task="echo", payload=1, delay_seconds=3600)
    browser.get("")
    path = f"/tasks/{task_id}/cancel"
    other = as_role("owner")
    other.get("")
    for token in ("", "0" * 64, other._csrf):
        assert browser.post(path, csrf=token).status_code == 403
    assert browser.client.post(f"/console{path}", json={"csrf": browser._csrf}).status_code == 415
    assert browser.client.post(f"/console{path}", data={"csrf": browser._csrf, "x": "y" * 20_000}).status_code == 413
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.client.post(f"/console{path}", data={"csrf": browser._csrf}, headers=headers).status_code == 403
    assert acme.status(task_id)["status"] == "PENDING"
    assert browser.post(path, csrf=browser._csrf).status_code == 200
    assert acme.status(task_id)["status"] == "REVOKED"


def test_the_api_knows_no_cookie(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("owner")
    [cookie] = [cookie for cookie in browser.client.cookies.jar if cookie.name == "console"]
    assert (cookie.path, cookie.secure) == ("/console", False)
    for headers in ({"Cookie": f"console={cookie.value}"}, {"Authorization": f"Bearer {cookie.value}"}):
        assert browser.client.get("/api/tasks", headers=headers).status_code == 401


def test_over_http_only_a_browser_on_the_same_machine_is_served(acme: Tenant):
    url = acme.client.base_url.join("/console/sign-in")
    refused = httpx.get(url, headers={"Host": "tasks.example.com"})
    assert refused.status_code == 403
    assert "needs https" in refused.text and "X-Forwarded-Proto" in refused.text
    # The server trusts a proxy on its own machine, which ends TLS.
    served = httpx.get(url, headers={"Host": "tasks.example.com", "X-Forwarded-Proto": "https"})
    assert served.status_code == 200
    assert re.fullmatch(
        r"__Host-console=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure", served.headers["Set-Cookie"]
    )


def test_the_stream_says_nothing_about_a_task_of_another_tenant(
    as_role: Callable[[str], PlainBrowser], acme: Tenant, globex: Tenant
):
    mine, theirs = (tenant.submit(task="echo", payload=1, delay_seconds=3600) for tenant in (acme, globex))
    client = as_role("viewer").client
    # The stream is not a page that a refresh may have already, whatever the request says.
    with client.stream("GET", f"/console/live?tasks={theirs},{mine}", headers={"X-Console-Live": "1"}) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert next(lines) == ": open"
        for tenant, task_id in ((globex, theirs), (acme, mine)):
            assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200
        seen = next(line for line in lines if "task.changed" in line)
    assert mine in seen


def test_ends_are_told_no_more_than_once_in_a_second_and_without_a_name(
    as_role: Callable[[str], PlainBrowser], acme: Tenant
):
    followed = acme.submit(task="echo", payload=1, delay_seconds=3600)
    with as_role("viewer").client.stream("GET", f"/console/live?tasks={followed}") as stream:
        lines, began = stream.iter_lines(), time.monotonic()
        assert next(lines) == ": open"
        ids = [acme.submit(task="echo", payload=number) for number in range(40)]
        for task_id in ids:
            acme.result(task_id)
        # What comes after this is of no account.
        acme.client.post(f"/api/tasks/{followed}/cancel")
        told = list(itertools.takewhile(lambda line: "task.changed" not in line, lines))
    ended = [line for line in told if "task.ended" in line]
    assert 1 <= len(ended) <= time.monotonic() - began + 1
    assert not any(task_id in line for line in told for task_id in ids)


def test_no_other_site_can_sign_a_person_out(browsers: Browsers):
    # A browser sends no cookie with these, and would take the answer's in place of the session's.
    client = browsers().client
    form = client.post("/console/tasks/bulk", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (form.status_code, "Set-Cookie" in form.headers) == (401, False)
    for path in ("/console%2Ftasks", "/%63onsole"):
        assert "Set-Cookie" not in client.get(path).headers
    assert "Set-Cookie" in client.get("/console").headers


def test_a_head_of_the_stream_opens_none(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("viewer")
    # Both over one connection: the second would wait for the end of a stream.
    assert browser.client.head("/console/live").headers["Content-Type"].startswith("text/event-stream")
    assert browser.client.get("/console/tasks", timeout=5).status_code == 200


@pytest.mark.parametrize("path", ["/tasks?tag=%00", "/tasks?task=a%00", "/tasks?metadata=a:%00", "/sign-in?next=%00"])
def test_a_character_that_cannot_be_stored_is_refused_in_an_address(as_role: Callable[[str], PlainBrowser], path: str):
    page = as_role("viewer").get(path)
    assert (page.status_code, "NUL" in page.text) == (422, True)


def test_a_character_that_cannot_be_stored_is_refused_in_a_form(
    browsers: Browsers, as_role: Callable[[str], PlainBrowser]
):
    stranger, owner = browsers(), as_role("owner")
    stranger.get("/sign-in")
    assert stranger.post("/sign-in", email="a\0@example.com", password="x").status_code == 422
    owner.get("/tasks")
    assert owner.post("/tasks/bulk", action="cancel", scope="all", query="?tag=%00").status_code == 422


def test_a_refresh_of_a_page_that_has_not_changed_is_a_304(as_role: Callable[[str], PlainBrowser]):
    browser = as_role("owner")
    live = {"X-Console-Live": "1"}
    first = browser.get("/keys", **live)
    again = browser.get("/keys", **live, **{"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    # Both say how long the page shall wait until it asks again.
    assert [0.4 <= float(page.headers["X-Console-Gap"]) <= 60 for page in (first, again)] == [True, True]
    assert "X-Console-Gap" not in browser.get("/keys").headers
    assert browser.post("/keys", name="another", scope="tasks:read").status_code == 200
    assert browser.get("/keys", **live, **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_the_front_page_leads_a_person_here_and_tells_a_program_where_the_api_is(browsers: Browsers):
    client = browsers().client
    person = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (person.status_code, person.headers["Location"]) == (303, "/console")
    program = client.get("/", headers={"Accept": "application/json"}).json()
    assert (program["openapi"], program["docs"], program["console"]) == ("/openapi.json", "/docs", "/console")
    assert client.get(program["openapi"]).status_code == 200
    assert client.get("/").headers["Content-Type"] == "application/json"


def test_agents_are_told_where_the_api_is_described(browsers: Browsers):
    client = browsers().client
    told = client.get("/llms.txt")
    assert (told.status_code, told.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    links = re.findall(r"\]\((/\S+)\)", told.text)
    assert links == ["/openapi.json", "/api/me", "/api/task-types", "/problems"]
    # What needs a key says so, and the rest is there.
    assert [client.get(link).status_code for link in links] == [200, 401, 401, 200]


def test_a_member_of_another_tenant_is_not_in_the_list(as_role: Callable[[str], PlainBrowser], globex: Tenant):
    theirs = add(globex, "owner")
    browser = as_role("owner")
    assert theirs["email"] not in browser.get("/members").text
    for act in ("change", "remove"):
        assert browser.post(f"/members/{theirs['member_id']}/{act}", role="viewer").status_code == 404
