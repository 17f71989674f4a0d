"""What callers write in ways of their own: ids in capitals, and traces of other versions."""

import uuid
from collections.abc import Callable

import asyncpg
import pytest

from tests.conftest import Tenant

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


@pytest.mark.parametrize("spelling", [str.upper, str.title, str.swapcase])
def test_a_tasks_id_is_taken_in_any_case_and_answered_as_we_write_it(acme: Tenant, spelling: Callable[[str], str]):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    path = f"/api/tasks/{spelling(task_id)}"
    for name in ("", "/status", "/result"):
        assert acme.client.get(path + name).json()["task_id"] == task_id
    assert acme.client.post(f"{path}/cancel").json()["task_id"] == task_id
    assert acme.client.post(f"{path}/retry").json()["retry_of"] == task_id


def test_every_other_spelling_is_an_unknown_id(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    for other in (uuid.UUID(task_id).hex, f"{{{task_id}}}", f"urn:uuid:{task_id}", f"{task_id}%0A", f"%20{task_id}"):
        for name in ("", "/status", "/result"):
            refused = acme.client.get(f"/api/tasks/{other}{name}")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert acme.client.post(f"/api/tasks/{other}/cancel").status_code == 404


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (f"00-{TRACE}-01", f"00-{TRACE}-01"),
        (f"01-{TRACE}-01", f"00-{TRACE}-01"),
        (f"cc-{TRACE}-01-what.the-future.brings", f"00-{TRACE}-01"),
        (f"00-{TRACE.upper()}-01", None),
        (f"ff-{TRACE}-01", None),
        ("x", None),
        ("", None),
        ("\xff" * 9_000, None),
    ],
)
@pytest.mark.parametrize("call", ["submit", "batch", "retry"])
async def test_a_trace_is_stored_and_one_that_cannot_be_read_refuses_nothing(
    acme: Tenant, environment: dict[str, str], call: str, sent: str, stored: str | None
):
    task = {"task": "echo", "payload": 1, "delay_seconds": 600}
    headers = {"traceparent": sent.encode("latin-1")}
    if call == "submit":
        made = acme.client.post("/api/tasks/submit", json=task, headers=headers).json()
    elif call == "batch":
        [made] = acme.client.post("/api/tasks/batch", json={"tasks": [task]}, headers=headers).json()["outcomes"]
    else:
        ended = acme.submit(**task)
        acme.client.post(f"/api/tasks/{ended}/cancel")
        made = acme.client.post(f"/api/tasks/{ended}/retry", headers=headers).json()
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        found = await connection.fetchval("SELECT traceparent FROM task WHERE id = $1", uuid.UUID(made["task_id"]))
    finally:
        await connection.close()
    assert found == stored


@pytest.mark.parametrize("path", ["/api/tasks/submit", "/api/tasks/batch"])
def test_two_idempotency_keys_are_refused(acme: Tenant, path: str):
    body = {"task": "echo", "delay_seconds": 3600}
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("Content-Type", "application/json")]
    answer = acme.client.post(path, headers=keys, json=body if path.endswith("submit") else {"tasks": [body]})
    assert answer.status_code == 422
    assert [error["detail"] for error in answer.json()["errors"]] == ["Send this header once"]
