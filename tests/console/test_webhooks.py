"""The pages of webhooks: endpoints, their deliveries, what can be done with them, and who may."""

import re
import uuid
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from app.webhooks import durations
from tests.conftest import Tenant, wait_until
from tests.console.conftest import PlainBrowser, heading
from tests.webhooks.conftest import Deliverer
from tests.webhooks.history.conftest import Kept
from tests.webhooks.receiver import Receiver, status

URL = "https://hooks.example.com/tasks?of=console"
_ACTS = ("edit", "switch", "delete", "secret", "rotate", "test", "recover", "replay-missing")


@pytest.fixture
def developer(as_role: Callable[[str], PlainBrowser]) -> PlainBrowser:
    """A browser that a developer of acme has signed in."""
    return as_role("developer")


def _endpoint(page: httpx.Response) -> str:
    found = re.fullmatch(r"/console/webhooks/([0-9a-f-]{36})", page.url.path)
    assert found, page.text
    return found[1]


def _deliveries(page: httpx.Response) -> list[str]:
    return re.findall(r'id="delivery-([0-9a-f-]{36})"', page.text)


def test_an_endpoint_is_created_changed_disabled_and_deleted(kept: Kept, developer: PlainBrowser, acme: Tenant):
    assert "No endpoint yet" in developer.get("/webhooks").text
    developer.get("/webhooks/new")
    made = developer.post(
        "/webhooks", url=URL, event_type=["task.failed", "task.retrying"], tasks="echo", tags="a, b", headers="X-Shop: b",
    )  # fmt: skip
    endpoint = _endpoint(made)
    api = f"/api/webhooks/endpoints/{endpoint}"
    stored = acme.client.get(api).json()
    assert (stored["url"], stored["event_types"]) == (URL, ["task.failed", "task.retrying"])
    assert (stored["filter"], stored["header_names"]) == ({"tasks": ["echo"], "tags": ["a", "b"]}, ["X-Shop"])
    assert (
        "No delivery yet" in made.text
        and "No delivery matches" in developer.get(f"/webhooks/{endpoint}?status=FAILED").text
    )
    form = developer.get(f"/webhooks/{endpoint}/edit")
    assert 'value="a, b"' in form.text and "it keeps X-Shop" in form.text and "berlin" not in form.text
    changed = developer.post(f"/webhooks/{endpoint}/edit", url=URL, event_type="task.failed", description="<b>ours</b>")
    assert heading(changed) != "Edit the endpoint" and "&lt;b&gt;ours" in changed.text
    stored = acme.client.get(api).json()
    assert (stored["filter"], stored["header_names"], stored["event_types"]) == (None, ["X-Shop"], ["task.failed"])
    assert "Disabled" in developer.post(f"/webhooks/{endpoint}/switch", action="disable").text
    assert acme.client.get(api).json()["disabled_by"] == "tenant"
    assert "Disabled" in developer.get("/webhooks").text
    assert developer.post(f"/webhooks/{endpoint}/recover", since="24h").status_code == 409
    assert developer.post(f"/webhooks/{endpoint}/switch", action="burn").status_code == 422
    assert "Disabled" not in developer.post(f"/webhooks/{endpoint}/switch", action="enable").text
    assert developer.post(f"/webhooks/{endpoint}/delete").url.path == "/console/webhooks"
    assert acme.client.get(api).status_code == 404


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"url": "ftp://a.example.com", "event_type": "task.failed"}, "<code>url</code>"),
        ({"url": URL}, "<code>event_types</code>"),
        ({"url": URL, "event_type": "task.ended"}, "<code>event_types/0</code>"),
        ({"url": URL, "event_type": "task.failed", "rate_per_second": "0"}, "<code>rate_per_second</code>"),
        ({"url": URL, "event_type": "task.failed", "headers": "Host: a"}, "<code>headers</code>"),
    ],
)
def test_what_cannot_be_an_endpoint_comes_back_with_its_faults(
    kept: Kept,
    developer: PlainBrowser,
    acme: Tenant,
    fields: dict[str, str],
    named: str,
):
    developer.get("/webhooks/new")
    endpoint = kept.endpoint(acme)
    for path in ("/webhooks", f"/webhooks/{endpoint}/edit"):
        page = developer.post(path, **fields)
        assert page.status_code == 422 and named in page.text and 'role="alert"' in page.text
        assert f'value="{fields["url"]}"' in page.text


def test_a_secret_is_shown_on_request_and_rotated_with_an_overlap(
    kept: Kept,
    developer: PlainBrowser,
    acme: Tenant,
):
    made = acme.client.post("/api/webhooks/endpoints", json={"url": URL}).json()
    endpoint = made["endpoint_id"]
    assert made["secret"] not in developer.get(f"/webhooks/{endpoint}").text
    assert f'id="secret">{made["secret"]}<' in developer.post(f"/webhooks/{endpoint}/secret").text
    page = developer.post(f"/webhooks/{endpoint}/rotate", overlap_seconds="3600")
    second = acme.client.get(f"/api/webhooks/endpoints/{endpoint}/secret").json()
    assert second["secret"] != made["secret"] and second["secret"] in page.text
    assert "The one before it signs until" in page.text and second["previous_expires_at"] is not None
    assert developer.post(f"/webhooks/{endpoint}/rotate", overlap_seconds="3600").status_code == 409
    for overlap in ("", "soon", "-1"):
        assert developer.post(f"/webhooks/{endpoint}/rotate", overlap_seconds=overlap).status_code == 422
    assert acme.webhook_secret in developer.post("/webhooks/secret").text
    acme.client.delete(f"/api/webhooks/endpoints/{endpoint}")


def test_deliveries_are_filtered_and_lead_to_their_attempts(kept: Kept, developer: PlainBrowser, acme: Tenant):
    endpoint, task_id = kept.endpoint(acme), acme.submit(task="echo", payload=1, delay_seconds=3600)
    failed = kept.deliver(acme, endpoint_id=endpoint, task_id=task_id)
    delivered = kept.deliver(acme, endpoint_id=endpoint, status="DELIVERED", event_type="task.failed")
    elsewhere = kept.deliver(acme, task_id=task_id)
    kept.attempt(acme, failed, 9, None, error="The connection was refused.")
    kept.attempt(acme, failed, 10, 503, response_body="<b>busy</b>")
    assert _deliveries(developer.get(f"/webhooks/{endpoint}")) == [delivered, failed]
    assert _deliveries(developer.get(f"/webhooks/{endpoint}?status=FAILED")) == [failed]
    for query, ids in {
        "": [elsewhere, delivered, failed],
        "?status=nonsense&type=none&task_id=x": [elsewhere, delivered, failed],
        "?status=FAILED": [elsewhere, failed],
        "?type=task.failed": [delivered],
        f"?task_id={task_id}&status=FAILED": [elsewhere, failed],
    }.items():
        assert _deliveries(developer.get(f"/webhooks/deliveries{query}")) == ids, query
    page = developer.get(f"/webhooks/deliveries/{failed}")
    for part in ("503", "&lt;b&gt;busy", "The connection was refused.", "12 ms", task_id, f"/webhooks/{endpoint}"):
        assert part in page.text, part


def test_a_list_of_deliveries_goes_on_by_pages(kept: Kept, developer: PlainBrowser, acme: Tenant):
    endpoint = kept.endpoint(acme)
    made = [kept.deliver(acme, endpoint_id=endpoint) for _ in range(31)]
    for path in ("/webhooks/deliveries", f"/webhooks/{endpoint}"):
        first = developer.get(f"{path}?status=FAILED")
        further = re.search(r'data-next href="/console([^"]+)"', first.text)[1].replace("&amp;", "&")  # type: ignore[index]
        assert _deliveries(first) + _deliveries(developer.get(further)) == made[::-1]


def test_one_delivery_and_all_that_failed_are_sent_again(kept: Kept, developer: PlainBrowser, acme: Tenant):
    endpoint = kept.endpoint(acme)
    one, other = (kept.deliver(acme, endpoint_id=endpoint) for _ in range(2))
    developer.get(f"/webhooks/deliveries/{one}")
    assert "Pending" in developer.post(f"/webhooks/deliveries/{one}/resend").text
    assert developer.post(f"/webhooks/deliveries/{one}/resend").status_code == 409
    begun = developer.post(f"/webhooks/{endpoint}/recover", since="24h")
    path = begun.url.path.removeprefix("/console")
    wait_until(lambda: "Succeeded" in developer.get(path).text, "the end of the operation")
    assert heading(developer.get(path)) == "Resend 1 deliveries"
    assert acme.client.get(f"/api/webhooks/deliveries/{other}").json()["status"] == "PENDING"
    replayed = developer.post(f"/webhooks/{endpoint}/replay-missing", since="2020-01-01T00:00:00Z")
    assert heading(replayed).startswith("Send") and "missed events" in heading(replayed)
    for since in ("", "yesterday"):
        assert developer.post(f"/webhooks/{endpoint}/recover", since=since).status_code == 422


def test_a_test_shows_the_answer_of_the_server(
    start: Callable[..., Deliverer],
    receiver: Receiver,
    kept: Kept,
    developer: PlainBrowser,
    acme: Tenant,
):
    kept.sql("DELETE FROM process_heartbeat WHERE kind = 'webhooks'")
    url = receiver.on("/hook", status(418))
    endpoint = acme.client.post("/api/webhooks/endpoints", json={"url": url}).json()["endpoint_id"]
    developer.get(f"/webhooks/{endpoint}")
    assert developer.post(f"/webhooks/{endpoint}/test", type="task.failed").status_code == 503
    assert developer.post(f"/webhooks/{endpoint}/test", type="task.ended").status_code == 422
    start()
    wait_until(
        lambda: bool(kept.sql("SELECT FROM process_heartbeat WHERE kind = 'webhooks'")), "a process that delivers"
    )
    page = developer.post(f"/webhooks/{endpoint}/test", type="task.failed")
    assert (heading(page), "Failed" in page.text, ">418<" in page.text) == ("task.failed", True, True)
    [request] = receiver.got("/hook")
    assert request.headers["webhook-id"] in page.text
    acme.client.delete(f"/api/webhooks/endpoints/{endpoint}")


def test_the_last_day_is_counted_by_endpoint(kept: Kept, developer: PlainBrowser, acme: Tenant):
    endpoint = kept.endpoint(acme)
    for status_class, attempts in (("2xx", 3), ("5xx", 1)):
        kept.sql(
            "INSERT INTO webhook_stat (tenant_id, bucket, at, endpoint_id, event_type, status_class, attempts, first_attempts,"
            " histogram) VALUES ($1, 'hour', date_trunc('hour', now(), 'UTC'), $2, 'task.failed', $3, $4, 1, $5)",
            UUID(acme.tenant_id), UUID(endpoint), status_class, attempts, durations.one(5),
        )  # fmt: skip
    kept.sql("UPDATE endpoint SET failing_since = now() WHERE id = $1", UUID(endpoint))
    row = developer.get("/webhooks").text.partition(f'id="endpoint-{endpoint}"')[2].partition("</tr>")[0]
    assert "25.0 %" in row and ">2</td>" in row and "Failing" in row
    page = developer.get(f"/webhooks/{endpoint}").text
    assert "25.0 %" in page and "the first failure" in page


def test_the_page_of_a_task_has_its_deliveries(kept: Kept, developer: PlainBrowser, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, webhook_url="http://127.0.0.1:9/")
    acme.result(task_id)
    assert _deliveries(developer.get(f"/tasks/{task_id}")) == []
    delivery = kept.deliver(acme, task_id=task_id)
    assert f"/console/webhooks/deliveries/{delivery}" in developer.get(f"/tasks/{task_id}").text


def test_a_viewer_finds_no_button_and_every_form_is_refused(
    kept: Kept,
    as_role: Callable[[str], PlainBrowser],
    acme: Tenant,
):
    browser, endpoint = as_role("viewer"), kept.endpoint(acme)
    delivery = kept.deliver(acme, endpoint_id=endpoint)
    for path in ("/webhooks", "/webhooks/deliveries", f"/webhooks/deliveries/{delivery}", f"/webhooks/{endpoint}"):
        main = browser.get(path).text.partition("<main")[2].partition("</main>")[0]
        assert 'method="post"' not in main and "/edit" not in main and "/new" not in main, path
    acts = [f"/webhooks/{endpoint}/{act}" for act in _ACTS]
    for path in (
        *acts,
        "/webhooks",
        "/webhooks/secret",
        "/webhooks/secret/rotate",
        f"/webhooks/deliveries/{delivery}/resend",
    ):
        assert browser.post(path, url=URL, action="disable").status_code == 403, path
    assert acme.client.get(f"/api/webhooks/endpoints/{endpoint}").json()["enabled"]


def test_another_tenants_endpoint_and_delivery_are_unknown_ones(
    kept: Kept,
    developer: PlainBrowser,
    globex: Tenant,
):
    endpoint = kept.endpoint(globex)
    delivery = kept.deliver(globex, endpoint_id=endpoint)
    assert _deliveries(developer.get("/webhooks/deliveries")) == []
    assert endpoint not in developer.get("/webhooks").text
    fields = {"url": URL, "event_type": "task.failed", "action": "disable", "overlap_seconds": "0", "since": "24h"}
    for one in (endpoint, str(uuid.uuid4()), "none"):
        answers = [developer.get(f"/webhooks/{one}"), developer.get(f"/webhooks/{one}/edit")]
        answers += [developer.post(f"/webhooks/{one}/{act}", **fields) for act in _ACTS]
        assert {answer.status_code for answer in answers} == {404}, one
    for one in (delivery, str(uuid.uuid4()), "none"):
        answers = [developer.get(f"/webhooks/deliveries/{one}"), developer.post(f"/webhooks/deliveries/{one}/resend")]
        assert {answer.status_code for answer in answers} == {404}, one
    assert globex.client.get(f"/api/webhooks/endpoints/{endpoint}").json()["enabled"]


def test_a_form_without_its_token_changes_nothing(kept: Kept, developer: PlainBrowser, acme: Tenant):
    endpoint = kept.endpoint(acme)
    delivery = kept.deliver(acme, endpoint_id=endpoint)
    acts = [f"/webhooks/{endpoint}/{act}" for act in _ACTS]
    for path in (
        *acts,
        "/webhooks",
        "/webhooks/secret",
        "/webhooks/secret/rotate",
        f"/webhooks/deliveries/{delivery}/resend",
    ):
        assert developer.post(path, csrf="0" * 64, url=URL, action="disable").status_code == 403, path
    assert acme.client.get(f"/api/webhooks/deliveries/{delivery}").json()["status"] == "FAILED"
