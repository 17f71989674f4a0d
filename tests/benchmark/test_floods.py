"""What a flood of readers reads is there, and is read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from scripts.benchmark import flood_history, flood_kinds, floods, servers
from scripts.benchmark.accounts import Account
from scripts.benchmark.flood_kinds import Flood
from scripts.benchmark.names import PREFORK
from scripts.stack import stackfile
from tests.benchmark.test_scenarios import SMALL
from tests.conftest import Stack, Tenant

READERS = {flood.name: flood for flood in flood_kinds.ALL if flood.prepare}


@pytest.mark.parametrize("flood", READERS.values(), ids=READERS.keys())
def test_every_request_of_a_reader_finds_what_was_prepared(
    flood: Flood, stack: Stack, make_tenant: Callable[..., Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    for many in ("TASKS", "EVENTS"):
        monkeypatch.setattr(flood_history, many, 1_000)
    tenant = make_tenant(f"flood-{list(READERS).index(flood.name)}", plan=flood.plan or "free")
    assert flood.prepare is not None
    flood.prepare(
        stackfile.Stack(Path(), database_url=stack.environment["DATABASE_URL"]),
        Account(tenant.slug, tenant.tenant_id, tenant.api_key),
    )
    for request in set(b"".join(flood.requests(tenant.api_key)).split(b"\r\n\r\n")) - {b""}:
        method, path, _ = request.decode().split("\r\n")[0].split(" ")
        answer = tenant.client.request(method, path)
        assert answer.status_code == 200, answer.text
        assert _is_full(path, answer), answer.text[:500]


def _is_full(path: str, answer: httpx.Response) -> bool:
    """Tell whether an answer is of the size that the flood is about; a list that finds nothing has read for nothing."""
    if "?" not in path:
        return len(answer.content) > flood_history.LARGE_TEXT
    return len(answer.json()["items"]) == (100 if path.endswith("limit=100") else 0)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_floods_of_readers_find_what_was_prepared_for_them() -> None:
    few = replace(
        SMALL, floods=replace(SMALL.floods, names=("audit", "lists of 100", "tasks of", "results of", "unread"))
    )
    with servers.ours((PREFORK,)) as stack:
        flooded = floods.on(stack, few)
    assert flooded["unread: 40 answers of 250 KB on each of 120 connections.during"] > 0
    for read in ("audit: lists that find nothing", "lists of 100 tasks", "tasks of 250 KB", "results of 250 KB"):
        answers = {name for name in flooded if name.startswith(f"{read}, no rate.status.")}
        assert answers == {f"{read}, no rate.status.200"}
