"""The list of a tenant's tasks: newest first, page by page, and what it may be narrowed to."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import Servers, Tenant


@pytest.fixture(scope="module")
def lister(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant with seven tasks, of which the newest waits."""
    tenant = make_tenant("lister")
    for number in range(6):
        task = {"task": "echo", "payload": number, "tags": ["even" if number % 2 == 0 else "odd", "all"]}
        tenant.result(tenant.submit(**task))
    tenant.submit(task="test.add", payload={"a": 1, "b": 2}, delay_seconds=3600, tags=["all"])
    return tenant


def _list(tenant: Tenant, **wanted: Any) -> dict[str, Any]:
    answer = tenant.client.get("/api/tasks", params=wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _ids(tenant: Tenant, **wanted: Any) -> list[str]:
    return [item["task_id"] for item in _list(tenant, **wanted)["items"]]


def _pages(tenant: Tenant, **wanted: Any) -> Iterator[list[str]]:
    page = _list(tenant, **wanted)
    yield [item["task_id"] for item in page["items"]]
    while page["next_cursor"]:
        page = _list(tenant, **wanted, cursor=page["next_cursor"])
        yield [item["task_id"] for item in page["items"]]


def test_pages_follow_each_other_from_the_newest_to_the_oldest(lister: Tenant):
    everything = _ids(lister)
    assert len(everything) == 7
    assert everything == sorted(everything, reverse=True)
    pages = list(_pages(lister, limit=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert list(chain(*pages)) == everything


def test_what_comes_meanwhile_moves_no_page(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("lister-meanwhile")
    first = [tenant.submit(task="echo", payload=number) for number in range(4)]
    page = _list(tenant, limit=2)
    tenant.submit(task="echo", payload=4)
    assert _ids(tenant, limit=2, cursor=page["next_cursor"]) == [first[1], first[0]]


def test_a_list_is_narrowed_by_status_task_and_tag(lister: Tenant):
    everything = _ids(lister)
    assert _ids(lister, status="SUCCESS") == everything[1:]
    assert _ids(lister, status="PENDING") == _ids(lister, task="test.add") == everything[:1]
    assert _ids(lister, tag="all") == everything
    assert _ids(lister, tag="odd") == everything[1::2]
    assert _ids(lister, tag="odd", status="PENDING") == []
    assert list(chain(*_pages(lister, tag="even", limit=1))) == everything[2::2]


def test_a_list_is_narrowed_to_a_time(lister: Tenant):
    items = _list(lister)["items"]
    third, fifth = (datetime.fromisoformat(items[place]["created_at"]) for place in (2, 4))
    ids = [item["task_id"] for item in items]
    assert _ids(lister, created_from=third.isoformat()) == ids[:3]
    assert _ids(lister, created_to=third.isoformat()) == ids[3:]
    between = {"created_from": fifth.isoformat(), "created_to": third.isoformat()}
    assert _ids(lister, **between) == ids[3:5]
    assert list(chain(*_pages(lister, **between, limit=1))) == ids[3:5]
    for far in (timedelta(days=40), timedelta(days=-40)):
        assert _ids(lister, created_from=(third + far).isoformat(), created_to=(fifth + far).isoformat()) == []


def test_a_list_is_narrowed_to_several_statuses(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("lister-statuses")
    ended, waiting, revoked = (tenant.submit(task="echo", payload=1, delay_seconds=delay) for delay in (0, 3600, 3600))
    tenant.result(ended)
    tenant.client.post(f"/api/tasks/{revoked}/cancel")
    assert _ids(tenant, status="SUCCESS,REVOKED") == [revoked, ended]
    assert _ids(tenant, status="PENDING,PENDING") == [waiting]
    for wrong in ("SUCCESS, REVOKED", "success", "SUCCESS,", ",", ""):
        answer = tenant.client.get("/api/tasks", params={"status": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "status"), wrong
    answer = tenant.client.get("/api/tasks?status=SUCCESS&status=REVOKED")
    assert answer.json()["errors"] == [
        {
            "parameter": "status",
            "detail": "Send this parameter once. Where it takes several values, separate them with commas",
        }
    ]


def test_a_list_is_narrowed_to_the_time_of_the_end(lister: Tenant):
    items = _list(lister)["items"]
    ended = sorted((item["finished_at"], item["task_id"]) for item in items if item["finished_at"])
    ids = [task_id for _, task_id in ended]
    third, fifth = ended[2][0], ended[4][0]
    assert sorted(_ids(lister, finished_from=third)) == sorted(ids[2:])
    assert sorted(_ids(lister, finished_to=third)) == sorted(ids[:2])
    assert sorted(_ids(lister, finished_from=third, finished_to=fifth, status="SUCCESS")) == sorted(ids[2:4])
    assert _ids(lister, finished_from=third, created_to=third) == [
        item["task_id"] for item in items if item["created_at"] < third <= (item["finished_at"] or "")
    ]


def test_a_list_goes_either_way(lister: Tenant):
    newest = _ids(lister, sort="-created_at")
    assert newest == _ids(lister)
    assert list(chain(*_pages(lister, sort="created_at", limit=3))) == newest[::-1]
    assert list(chain(*_pages(lister, sort="created_at", tag="odd", limit=1))) == _ids(lister, tag="odd")[::-1]
    cursor = _list(lister, sort="created_at", limit=1)["next_cursor"]
    other_way = lister.client.get("/api/tasks", params={"cursor": cursor})
    assert (other_way.status_code, other_way.json()["code"]) == (400, "invalid_cursor")
    assert lister.client.get("/api/tasks", params={"sort": "finished_at"}).status_code == 422


def test_an_item_says_how_its_task_went(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("lister-items")
    failed = tenant.submit(task="long_task", payload={"seconds": 0, "steps": 1, "fail_attempts": 1}, max_attempts=1)
    error = tenant.result(failed)["error"]
    done = tenant.submit(task="long_task", payload={"seconds": 0.2, "steps": 2})
    tenant.result(done)
    waiting = tenant.submit(task="echo", payload=1, delay_seconds=3600)
    items = {item["task_id"]: item for item in _list(tenant)["items"]}
    assert (items[failed]["error"], error["attempt"]) == (error, 1)
    assert (items[done]["error"], items[done]["progress"]["done"]) == (None, 2)
    times = [datetime.fromisoformat(items[done][name]) for name in ("started_at", "finished_at")]
    assert items[done]["duration_seconds"] == pytest.approx((times[1] - times[0]).total_seconds())
    assert {items[waiting][name] for name in ("progress", "error", "started_at", "duration_seconds")} == {None}


@pytest.mark.parametrize("first", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
@pytest.mark.parametrize("last", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "2262-04-12T00:00:00Z"])
def test_a_time_may_be_as_far_away_as_the_calendar_goes(lister: Tenant, first: str, last: str):
    assert len(_ids(lister, created_from=first, created_to=last)) == 7
    assert _ids(lister, created_from=last) == _ids(lister, created_to=first) == []


def test_the_time_is_the_row_s_where_its_id_was_made_by_another_clock(
    servers: Servers, make_tenant: Callable[..., Tenant]
):
    tenant = make_tenant("lister-clocks")
    behind, ahead, same = (tenant.submit(task="echo", payload=number, delay_seconds=3600) for number in range(3))
    asyncio.run(_move(servers.postgres.url, {behind: timedelta(hours=-20), ahead: timedelta(hours=20)}))
    now = datetime.now(UTC)
    assert _ids(tenant, created_to=(now - timedelta(hours=19)).isoformat()) == [behind]
    assert _ids(tenant, created_from=(now + timedelta(hours=19)).isoformat()) == [ahead]
    hour = timedelta(hours=1)
    assert _ids(tenant, created_from=(now - hour).isoformat(), created_to=(now + hour).isoformat()) == [same]


@pytest.fixture(scope="module")
def heap(servers: Servers, make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of 50,001 tasks, of which the oldest alone is of another type, has a tag and has failed."""
    tenant = make_tenant("lister-heap")
    oldest = tenant.submit(task="echo", payload=0, delay_seconds=3600)
    asyncio.run(_fill(servers.postgres.url, oldest))
    return tenant


@pytest.mark.parametrize("wanted", [{"status": "FAILURE"}, {"task": "echo"}, {"tag": "rare"}, {"created_to": None}])
def test_a_rare_task_is_found_by_following_the_cursors_of_empty_pages(heap: Tenant, wanted: dict[str, Any]):
    [oldest] = list(_pages(heap, limit=100))[-1][-1:]
    if "created_to" in wanted:
        wanted = {"created_to": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    pages = list(_pages(heap, **wanted))
    assert pages == [[]] * 10 + [[oldest]]
    first = heap.client.get("/api/tasks", params=wanted)
    assert 'rel="next"' in first.headers["Link"]


def test_with_the_oldest_first_a_rare_task_is_on_the_first_page_and_the_others_are_read_in_parts(heap: Tenant):
    assert len(_list(heap, sort="created_at", status="FAILURE")["items"]) == 1
    pages = list(_pages(heap, sort="created_at", task="echo", status="SUCCESS,RETRY"))
    assert pages == [[]] * 11


def test_a_full_page_of_what_is_frequent_needs_no_second_look(heap: Tenant):
    page = _list(heap, status="SUCCESS", limit=100)
    assert len(page["items"]) == 100
    assert page["next_cursor"]


async def test_tasks_with_their_payloads_of_one_tenant_never_keep_all_connections(
    servers: Servers, make_tenant: Callable[..., Tenant]
):
    """Lists and whole tasks share two places: with those taken a third is refused, and a status is answered."""
    tenant, other = make_tenant("lister-whole"), make_tenant("lister-other")
    task_id, others_id = (one.submit(task="echo", payload=1, delay_seconds=3600) for one in (tenant, other))
    owner = await asyncpg.connect(servers.postgres.url)
    who = {"base_url": tenant.client.base_url, "headers": tenant.client.headers, "trust_env": False}
    try:
        async with httpx.AsyncClient(**who) as client, owner.transaction():
            # A whole task has attempts; what else is read of a task does not ask for them.
            await owner.execute("LOCK attempt")
            asked = [asyncio.create_task(client.get(f"/api/tasks/{task_id}")) for _ in range(12)]
            done, _ = await asyncio.wait(asked, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            own = await client.get(f"/api/tasks/{task_id}/status")
            theirs = await asyncio.to_thread(other.client.get, f"/api/tasks/{others_id}/status")
            answers = [await task for task in asked]
    finally:
        await owner.close()
    assert {(await task).json()["code"] for task in done} == {"too_many_lists"}
    assert (own.status_code, theirs.status_code) == (200, 200)
    assert sorted(answer.status_code for answer in answers) == [429] * 10 + [503] * 2


async def _fill(url: str, oldest: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE task SET status = 'FAILURE', tags = '{rare}', finished_at = now(),"
            " created_at = now() - interval '2 hours' WHERE id = $1",
            oldest,
        )
        # Newer ids than any that a process makes.
        await connection.execute(
            "INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, attempt, max_attempts,"
            " time_limit_seconds, finished_at)"
            " SELECT tenant_id, (substr(id::text, 1, 13) || '7fff-bfff-' || lpad(to_hex(n), 12, '0'))::uuid, 'test.add',"
            " pool, 'SUCCESS', 4, '{}', now(), 1, 3, 900, now() FROM task, generate_series(1, 50000) AS n WHERE id = $1",
            oldest,
        )
        await connection.execute("DELETE FROM backlog WHERE task_id = $1", oldest)
    finally:
        await connection.close()


async def _move(url: str, tasks: dict[str, timedelta]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for task_id, by in tasks.items():
            await connection.execute(
                "UPDATE task SET created_at = created_at + $2::interval WHERE id = $1", task_id, by
            )
    finally:
        await connection.close()
