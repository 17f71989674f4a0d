"""Two lists of a tenant at once, and never all connections for lists."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from app.core.errors import TooManyLists, Unavailable
from app.http.list_limit import MAX_LISTS, ListLimit

ALFA, BRAVO, CHARLIE = (UUID(int=number) for number in (1, 2, 3))


async def _answers() -> None:
    pass


async def _is_away() -> None:
    raise Unavailable


async def _hold(limit: ListLimit, tenant_id: UUID, until: asyncio.Event) -> None:
    async with limit.place(tenant_id):
        await until.wait()


async def _hold_all(limit: ListLimit, *tenants: UUID) -> "tuple[asyncio.Event, list[asyncio.Task[None]]]":
    until = asyncio.Event()
    holders = [asyncio.create_task(_hold(limit, tenant_id, until)) for tenant_id in tenants]
    await asyncio.sleep(0)
    return until, holders


async def test_a_third_list_of_a_tenant_is_refused_while_another_tenant_reads_its_own():
    limit = ListLimit(10, _answers)
    until, holders = await _hold_all(limit, *[ALFA] * MAX_LISTS)
    with pytest.raises(TooManyLists) as refused:
        await _hold(limit, ALFA, until)
    assert refused.value.headers == {"Retry-After": "1"}
    async with limit.place(BRAVO):
        pass
    until.set()
    await asyncio.gather(*holders)
    await _hold(limit, ALFA, until)


async def test_a_third_list_is_told_where_it_is_postgres_that_does_not_answer():
    limit = ListLimit(10, _is_away)
    until, holders = await _hold_all(limit, *[ALFA] * MAX_LISTS)
    with pytest.raises(Unavailable):
        await _hold(limit, ALFA, until)
    until.set()
    await asyncio.gather(*holders)


async def test_a_third_list_gets_the_place_of_one_that_ends_in_time():
    limit = ListLimit(10, _answers)
    until, holders = await _hold_all(limit, *[ALFA] * MAX_LISTS)
    third = asyncio.create_task(_hold(limit, ALFA, until))
    await asyncio.sleep(0)
    assert not third.done()
    until.set()
    await asyncio.gather(third, *holders)


async def test_lists_of_many_tenants_leave_half_of_the_connections():
    limit = ListLimit(4, _answers)
    until, holders = await _hold_all(limit, ALFA, BRAVO)
    with pytest.raises(Unavailable):
        await _hold(limit, CHARLIE, until)
    until.set()
    await asyncio.gather(*holders)


async def test_nothing_is_kept_of_a_tenant_that_reads_no_list_however_its_lists_ended():
    limit = ListLimit(1, _answers)
    until, holders = await _hold_all(limit, ALFA)
    async with AsyncExitStack() as stack:
        waiting = [asyncio.create_task(_hold(limit, tenant_id, until)) for tenant_id in (ALFA, ALFA, BRAVO)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        stack.callback(until.set)
    await asyncio.gather(*holders, *waiting, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with limit.place(BRAVO):
            raise ZeroDivisionError
    assert limit._places == {}
    async with limit.place(CHARLIE):
        pass
