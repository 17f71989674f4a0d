"""Large bodies: where they are read, and how many of whom at once."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from app.core.errors import InvalidRequest, TooManyLargeBodies, Unavailable
from app.tasks import large_bodies
from app.tasks.large_bodies import LARGE_BYTES, LargeBodies, is_large

LARGE = b"x" * (LARGE_BYTES + 1)
NOISY, LIGHT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


class Blocked:
    """Work that a test lets end."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.begun += 1
        assert self.may_end.wait(20)
        return threading.current_thread().name


@pytest.fixture
async def bodies() -> AsyncIterator[LargeBodies]:
    interval = sys.getswitchinterval()
    made = LargeBodies()
    yield made
    made.close()
    sys.setswitchinterval(interval)


def _one(_: object) -> int:
    return 1


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 a thread tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"{}", False),
        (b"x" * LARGE_BYTES, False),
        (LARGE, True),
        (b"[" * 1_000, False),
        (b"[" * 1_001, True),
        (b'{"a":1,"b":[1,2]},' * 200 + b" " * 100, False),
        (b'{"a":1,"b":[1,2]},' * 201, True),
    ],
)
def test_a_body_is_large_by_its_bytes_or_by_its_values(raw: bytes, expected: bool):
    assert is_large(raw) is expected


async def test_a_small_body_is_read_at_once_and_a_large_one_in_a_thread(bodies: LargeBodies):
    here = threading.current_thread().name
    assert await bodies.read(NOISY, b"{}", lambda: threading.current_thread().name, _one) == here
    assert (await bodies.read(NOISY, LARGE, lambda: threading.current_thread().name, _one)).startswith("large-bodies")


async def test_two_of_a_tenant_are_read_at_once_and_another_tenant_needs_not_wait(bodies: LargeBodies):
    work = Blocked()
    reading = [asyncio.create_task(bodies.read(NOISY, LARGE, work, _one)) for _ in range(4)]
    await _until(lambda: work.begun == 2)
    assert (await bodies.read(LIGHT, LARGE, lambda: "read", _one)) == "read"
    assert work.begun == 2
    work.may_end.set()
    assert len(await asyncio.gather(*reading)) == 4


async def test_one_that_waits_too_long_is_refused(bodies: LargeBodies, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(large_bodies, "_WAIT_SECONDS", 0.05)
    work = Blocked()
    reading = [asyncio.create_task(bodies.read(NOISY, LARGE, work, _one)) for _ in range(2)]
    await _until(lambda: work.begun == 2)
    with pytest.raises(TooManyLargeBodies) as refused:
        await bodies.read(NOISY, LARGE, work, _one)
    assert refused.value.headers == {"Retry-After": "1"}
    work.may_end.set()
    await asyncio.gather(*reading)
    # It has left no place behind.
    assert await bodies.read(NOISY, LARGE, lambda: "read", _one) == "read"


async def test_what_reading_costs_delays_the_next_of_that_tenant_only(bodies: LargeBodies):
    def costly() -> int:
        return sum(range(2_000_000))

    clock = asyncio.get_running_loop().time
    await bodies.read(NOISY, LARGE, costly, lambda _: 0)
    began = clock()
    await bodies.read(LIGHT, LARGE, lambda: "read", _one)
    of_another = clock() - began
    pause = bodies._tenants[NOISY].free_at - clock()
    assert pause > of_another
    await bodies.read(NOISY, LARGE, lambda: "read", _one)
    assert clock() - began >= pause


@pytest.mark.parametrize(
    ("seconds", "tasks", "is_refused", "pause"),
    [(0.04, 1_000, False, 0.0), (0.1, 1_000, False, 0.15), (0.1, 0, False, 0.3), (0.1, 0, True, 1.2)],
)
def test_ordinary_tasks_are_free_and_refusals_are_dearest(seconds: float, tasks: int, is_refused: bool, pause: float):
    assert large_bodies._pause(seconds, tasks, is_refused=is_refused) == pytest.approx(pause)


async def test_what_the_work_raises_is_raised_without_what_it_has_read(bodies: LargeBodies):
    def refuse() -> None:
        try:
            int("x")
        except ValueError:
            raise InvalidRequest("no") from None

    with pytest.raises(InvalidRequest) as refused:
        await bodies.read(NOISY, LARGE, refuse, _one)
    assert refused.value.__context__ is None


async def test_a_caller_who_goes_away_gives_the_place_back_when_the_thread_is_done(bodies: LargeBodies):
    work = Blocked()
    reading = [asyncio.create_task(bodies.read(NOISY, LARGE, work, _one)) for _ in range(3)]
    await _until(lambda: work.begun == 2)
    for each in reading:
        each.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    assert bodies._running == 2
    work.may_end.set()
    await _until(lambda: bodies._running == 0)
    assert await bodies.read(NOISY, LARGE, lambda: "read", _one) == "read"


@pytest.mark.parametrize("header", [(b"content-length", b"1048576"), (b"transfer-encoding", b"chunked")])
async def test_a_tenant_has_so_many_bytes_in_hand_at_most(bodies: LargeBodies, header: tuple[bytes, bytes]):
    rooms = [bodies.receiving(tenant_id, [header], 1_048_576) for tenant_id in (NOISY,) * 16 + (LIGHT,) * 2]
    for room in rooms:
        room.__enter__()
    with pytest.raises(TooManyLargeBodies), bodies.receiving(NOISY, [header], 1_048_576):
        pass
    with bodies.receiving(NOISY, [(b"content-length", b"1000")], 1_048_576):
        pass
    for room in rooms:
        room.__exit__(None, None, None)
    assert bodies._tenants == {}


async def test_all_tenants_together_have_so_many_bytes_in_hand_at_most(bodies: LargeBodies):
    header = [(b"content-length", b"1048576")]
    rooms = [bodies.receiving(UUID(int=number // 16), header, 1_048_576) for number in range(64)]
    for room in rooms:
        room.__enter__()
    with pytest.raises(Unavailable), bodies.receiving(UUID(int=99), header, 1_048_576):
        pass
    for room in rooms:
        room.__exit__(None, None, None)
