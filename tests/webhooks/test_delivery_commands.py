"""The operator's commands about deliveries."""

import json
import subprocess
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.core import ids
from tests.webhooks.conftest import Customer, Rows, ended

Admin = Callable[..., subprocess.CompletedProcess[str]]


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _slug(rows: Rows, customer: Customer) -> str:
    [row] = rows.fetch("SELECT slug FROM tenant WHERE id = $1", customer.id)
    return str(row["slug"])


def _failed(rows: Rows, customer: Customer) -> UUID:
    """Make a delivery that has failed."""
    [task_id] = rows.emit(ended(customer.id, "https://hooks.example.com/a?token=sesame"))
    rows.fetch("UPDATE delivery SET status = 'FAILED', attempt = 10, finished_at = now() WHERE task_id = $1", task_id)
    delivery_id: UUID = rows.delivery(task_id)["id"]
    return delivery_id


def test_the_latest_deliveries_are_shown_without_the_query_of_their_urls(admin: Admin, rows: Rows, customer: Customer):
    slug, first, second = _slug(rows, customer), _failed(rows, customer), _failed(rows, customer)
    rows.fetch(
        "INSERT INTO delivery_attempt (tenant_id, delivery_id, attempt, started_at, duration_ms, response_status)"
        " VALUES ($1, $2, 10, now(), 1, 503)",
        customer.id, first,
    )  # fmt: skip
    found = _json(admin("delivery", "list", slug, "--json"))["items"]
    assert {item["delivery_id"] for item in found} == {str(first), str(second)}
    assert {(item["delivery_id"], item["last_status"]) for item in found} == {(str(first), 503), (str(second), None)}
    assert all((item["url"], item["status"]) == ("https://hooks.example.com/a", "FAILED") for item in found)
    assert "FAILED" in admin("delivery", "list", slug).stdout
    assert len(_json(admin("delivery", "list", slug, "--limit", "1", "--json"))["items"]) == 1
    assert _json(admin("delivery", "list", slug, "--status", "DELIVERED", "--json"))["items"] == []
    assert _json(admin("delivery", "list", slug, "--endpoint", str(uuid.uuid4()), "--json"))["items"] == []
    rows.fetch("UPDATE delivery SET id = $2 WHERE id = $1", second, ids.first_id_at(1_000_000_000))
    assert len(_json(admin("delivery", "list", slug, "--json"))["items"]) == 1


def test_a_delivery_is_sent_again_once_and_the_tenant_reads_who_did_it(admin: Admin, rows: Rows, customer: Customer):
    slug, delivery_id = _slug(rows, customer), _failed(rows, customer)
    assert _json(admin("delivery", "resend", slug, str(delivery_id), "--json"))["status"] == "PENDING"
    [row] = rows.fetch("SELECT status, schedule_from FROM delivery WHERE id = $1", delivery_id)
    assert tuple(row) == ("PENDING", 10)
    [event] = rows.fetch("SELECT action, actor_type FROM audit_event WHERE object = $1", str(delivery_id))
    assert tuple(event) == ("delivery.resent", "operator")
    again = admin("delivery", "resend", slug, str(delivery_id))
    assert (again.returncode, "PENDING" in again.stderr) == (5, True)


@pytest.mark.parametrize("name", ["x", str(uuid.UUID(int=7))])
def test_an_unknown_delivery_is_not_found(admin: Admin, rows: Rows, customer: Customer, neighbour: Customer, name: str):
    slug, foreign = _slug(rows, customer), _failed(rows, neighbour)
    for unknown in (name, str(foreign)):
        done = admin("delivery", "resend", slug, unknown)
        assert (done.returncode, "no such delivery" in done.stderr) == (3, True)
    assert admin("delivery", "list", slug, "--endpoint", "x").returncode == 3
