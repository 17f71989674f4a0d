"""The metadata of a task: given by its submit, shown, kept by a retry, and what a list can be narrowed to."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Tenant

_FULL = {f"key-{number:02}-{'k' * 57}": "ü" * 512 for number in range(16)}


def _list(tenant: Tenant, **wanted: Any) -> list[str]:
    answer = tenant.client.get("/api/tasks", params=wanted)
    assert answer.status_code == 200, answer.text
    return [item["task_id"] for item in answer.json()["items"]]


@pytest.mark.parametrize("metadata", [{"order": "4711"}, {"a b": "", "ключ": 'x:y"\\ 👩‍💻'}, _FULL, {}, None])
def test_a_task_shows_the_metadata_that_it_was_given(acme: Tenant, metadata: dict[str, str] | None):
    alone = acme.submit(task="echo", payload=1, metadata=metadata, delay_seconds=3600)
    body = {"tasks": [{"task": "echo", "delay_seconds": 3600, "metadata": metadata}, {"delay_seconds": 3600}]}
    outcomes = acme.client.post("/api/tasks/batch", json=body).json()["outcomes"]
    for task_id in (alone, outcomes[0]["task_id"]):
        assert acme.client.get(f"/api/tasks/{task_id}").json()["metadata"] == (metadata or {})
    items = {item["task_id"]: item["metadata"] for item in acme.client.get("/api/tasks").json()["items"]}
    assert (items[alone], items[outcomes[1]["task_id"]]) == (metadata or {}, {})


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({str(number): "" for number in range(17)}, "#/metadata"),
        ({"k" * 65: ""}, "#/metadata"),
        ({"": "x"}, "#/metadata"),
        ({"a:b": "x"}, "#/metadata"),
        ({"a": "x" * 513}, "#/metadata/a"),
        ({"a": "line\nline"}, "#/metadata/a"),
        ({"a": 1}, "#/metadata/a"),
        ({"a": None}, "#/metadata/a"),
        ([], "#/metadata"),
    ],
)
def test_metadata_beyond_the_bounds_is_refused(acme: Tenant, metadata: Any, pointer: str):
    answer = acme.client.post("/api/tasks/submit", json={"metadata": metadata})
    assert answer.status_code == 422
    assert [fault["pointer"].startswith(pointer) for fault in answer.json()["errors"]] == [True]


def test_a_list_is_narrowed_to_one_key_with_its_value(make_tenant: Callable[..., Tenant]):
    tenant, other = make_tenant("metadata-own"), make_tenant("metadata-other")
    values = [{"order": "1"}, {"order": "2", "shop": "1"}, {"order": "1", "shop": "x:y"}, {"order": "11"}, None]
    made = [tenant.submit(task="echo", metadata=value, delay_seconds=3600) for value in values]
    other.submit(task="echo", metadata={"order": "1"}, delay_seconds=3600)
    assert _list(tenant, metadata="order:1") == [made[2], made[0]]
    assert _list(tenant, metadata="order:1", sort="created_at") == [made[0], made[2]]
    assert _list(tenant, metadata="shop:x:y") == [made[2]]
    assert _list(tenant, metadata="shop:") == _list(tenant, metadata="none:1") == []
    assert _list(tenant, metadata="order:1", status="SUCCESS") == []
    page = tenant.client.get("/api/tasks", params={"metadata": "order:1", "limit": 1}).json()
    assert _list(tenant, metadata="order:1", cursor=page["next_cursor"]) == [made[0]]
    for wrong in ("order", ":1", "k" * 65 + ":1", ""):
        assert tenant.client.get("/api/tasks", params={"metadata": wrong}).status_code == 422


def test_a_retry_has_the_metadata_of_its_task_and_an_erased_one_is_not_found_by_it(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("metadata-retry")
    first = tenant.submit(task="echo", payload=1, metadata={"order": "1"})
    tenant.result(first)
    again = tenant.client.post(f"/api/tasks/{first}/retry").json()["task_id"]
    assert _list(tenant, metadata="order:1") == [again, first]
    tenant.result(again)
    assert tenant.client.delete(f"/api/tasks/{again}").status_code == 200
    assert _list(tenant, metadata="order:1") == [first]
