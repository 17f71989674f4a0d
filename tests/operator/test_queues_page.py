"""See what waits, and pause and resume a queue."""

from tests.conftest import Tenant, wait_until
from tests.operator.conftest import OperatorBrowser


def _row(operator: OperatorBrowser, slug: str, path: str = "/queues") -> str:
    return operator.get(path).text.partition(f'id="queue-{slug}"')[2].partition("</tr>")[0]


def test_a_queue_is_shown_paused_and_resumed(operator: OperatorBrowser, globex: Tenant):
    waiting = globex.submit(task="echo", payload=1, delay_seconds=3600)
    row = _row(operator, "globex", "/queues?q=globex")
    assert "/queues/globex/pause" in row and "data-ago" in row
    operator.post("/queues/globex/pause")
    assert "Paused by operator" in _row(operator, "globex")
    assert globex.client.get("/api/limits").json()["queue"]["paused_by"] == ["operator"]
    held = globex.submit(task="echo", payload=1)
    assert globex.status(held)["waiting_reason"] == "QUEUE_PAUSED"
    page = operator.get("")
    assert "A queue is paused" in page.text or "queues are paused" in page.text
    operator.get("/tenants/globex")
    shown = operator.post("/queues/globex/resume", **{"from": "tenant"})
    assert shown.url.path == "/tenants/globex"
    wait_until(lambda: globex.status(held)["status"] == "SUCCESS", "the task that was held")
    globex.client.post(f"/api/tasks/{waiting}/cancel")


def test_an_idle_queue_is_among_all_of_them_only(operator: OperatorBrowser, acme: Tenant):
    assert _row(operator, "acme", "/queues?show=all&q=acme")
    assert "No queue matches" in operator.get("/queues?q=nobody-at-all").text
    operator.get("/queues")
    for act in ("pause", "resume"):
        assert operator.post(f"/queues/nobody/{act}").status_code == 404
