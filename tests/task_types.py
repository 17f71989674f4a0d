"""Task types of an operator's own, as ``TASK_MODULES`` names them."""

import asyncio
import contextlib
import decimal
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Strict, field_validator

from app.tasks import SoftTimeLimitExceeded, TaskCancelled, TaskContext, TaskFailure, TaskRetry, TaskSnooze, task


class Sum(BaseModel):
    """Two numbers."""

    a: int
    b: int


@task("test.add")
async def add(payload: Sum, context: TaskContext) -> int:
    """Add, in a coroutine."""
    await asyncio.sleep(0)
    context.progress(1, 1)
    return payload.a + payload.b


@task("test.not_json")
def not_json(payload: Sum, context: TaskContext) -> float:
    """Return what JSON cannot say."""
    return float("nan")


@task("test.exit")
def leave(payload: Sum, context: TaskContext) -> int:
    """Try to end the worker."""
    raise SystemExit(3)


@task("test.fails", autoretry_for=(OSError,))
def fails(payload: Sum, context: TaskContext) -> int:
    """Raise what is not worth another attempt."""
    raise ValueError("for good")


class Control(BaseModel):
    """Which of the errors of ``app.tasks`` to raise, in how many attempts."""

    raises: Literal["retry", "retry from", "failure", "snooze"]
    after: float | None = None
    times: int


@task("test.control", autoretry_for=(OSError,))
def control(payload: Control, context: TaskContext) -> int:
    """Decide what follows the first attempts."""
    if context.attempt > payload.times:
        return context.attempt
    if payload.raises == "failure":
        raise TaskFailure("the card was declined")
    if payload.raises == "snooze":
        raise TaskSnooze(after=payload.after or 1)
    cause = ConnectionError("no route") if payload.raises == "retry from" else None
    raise TaskRetry(after=payload.after) from cause


@task("test.io.control", pool="asyncio", autoretry_for=(OSError,))
async def control_coroutine(payload: Control, context: TaskContext) -> int:
    """Decide the same in the asyncio pool."""
    return control(payload, context)


class Logs(BaseModel):
    """What to log."""

    lines: int
    size: int = 0
    """Characters to add to each of these lines."""
    fails: int = 0
    """Attempts that fail."""
    until: str | None = None
    """A file to wait for between the first lines and the rest."""
    says_pid: bool = False
    odd: bool = False


@task("test.logs", retry_backoff=0)
def logs(payload: Logs, context: TaskContext) -> int:
    """Log in every way."""
    if payload.says_pid:
        context.progress(os.getpid(), 0)
    for number in range(payload.lines):
        context.log.info("line %d%s", number, "x" * payload.size)
    while payload.until and not Path(payload.until).exists():
        time.sleep(0.01)
    if payload.odd:
        context.log.info("a\0b \ud800")
        context.log.info("rows", extra={"n": math.nan})
    context.log.warning("a warning", extra={"row": 7})
    context.log.error("it failed", exc_info=ValueError("bad"))
    print("printed")  # noqa: T201 it becomes a line
    if context.attempt <= payload.fails:
        raise ConnectionError
    return context.attempt


class Nothing(BaseModel):
    """No payload."""


@task("test.grows", retry_backoff=0.2, retry_jitter=False)
def grows(payload: Nothing, context: TaskContext) -> int:
    """Fail twice, then succeed."""
    if context.attempt < 3:
        raise OSError("not yet")
    return context.attempt


@task("test.waits_long", retry_backoff=60, retry_jitter=False)
def waits_long(payload: Nothing, context: TaskContext) -> None:
    """Fail, and wait a minute."""
    raise OSError("later")


@task("test.deaf")
def deaf(payload: Nothing, context: TaskContext) -> None:
    """Go on whatever is raised."""
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        with contextlib.suppress(BaseException):
            time.sleep(1)


def _wait_for_cancel(context: TaskContext) -> None:
    while not context.cancel_requested:
        time.sleep(0.01)


@task("test.returns_on_cancel")
def returns_on_cancel(payload: Nothing, context: TaskContext) -> str:
    """Keep what there is."""
    _wait_for_cancel(context)
    return "so far"


@task("test.fails_on_cancel")
def fails_on_cancel(payload: Nothing, context: TaskContext) -> None:
    """Fail with attempts left."""
    _wait_for_cancel(context)
    raise OSError("interrupted")


@task("test.cancels_itself", max_attempts=1)
def cancels_itself(payload: Nothing, context: TaskContext) -> None:
    """Claim a cancel that nobody asked for."""
    raise TaskCancelled


@task("test.killed", retry_backoff=0.1)
def killed(payload: Sum, context: TaskContext) -> int:
    """End the own process in the first ``a`` attempts, as the kernel does to one that is out of memory."""
    if context.attempt <= payload.a:
        os.kill(os.getpid(), signal.SIGKILL)
    return context.attempt


@task("test.os_exit", max_attempts=1)
def leave_at_once(payload: Nothing, context: TaskContext) -> None:
    """End the own process without a word."""
    os._exit(0)


@task("test.memory_error", max_attempts=1)
def out_of_memory(payload: Nothing, context: TaskContext) -> None:
    """Ask for more memory than there is."""
    bytearray(1 << 60)


@task("test.recursion", max_attempts=1)
def recursion(payload: Nothing, context: TaskContext) -> None:
    """Recurse for ever."""
    recursion(payload, context)


@task("test.large_result", max_attempts=1)
def large_result(payload: Nothing, context: TaskContext) -> str:
    """Return 20 MB."""
    return "x" * 20_000_000


@task("test.surrogate", max_attempts=1)
def surrogate(payload: Nothing, context: TaskContext) -> str:
    """Return half a character."""
    return "\ud800"


class Unpicklable(Exception):  # noqa: N818
    """An error that neither pickles nor prints."""

    def __init__(self) -> None:
        self.socket = socket.socket()

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> str:
        raise TypeError("no pickle")


@task("test.unpicklable", max_attempts=1)
def unpicklable(payload: Nothing, context: TaskContext) -> None:
    """Raise what cannot be handed to another process."""
    raise Unpicklable


@task("test.not_serialisable", max_attempts=1)
def not_serialisable(payload: Nothing, context: TaskContext) -> Any:
    """Return what is no data."""
    return object()


@task("test.deaf_to_limits", max_attempts=1, soft_time_limit=0.3, time_limit=0.6)
def deaf_to_limits(payload: Nothing, context: TaskContext) -> None:
    """Go on after the soft limit."""
    deaf(payload, context)


@task("test.limited", max_attempts=1, soft_time_limit=0.3, time_limit=20)
def limited_in_a_child(payload: Nothing, context: TaskContext) -> list[str]:
    """Clean up at the soft limit, and return."""
    cleaned: list[str] = []
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded as error:
        # Longer than the limit: it is told of it once.
        time.sleep(0.5)
        cleaned = [str(error), "cleaned up"]
    return cleaned


@task("test.limited_coroutine", max_attempts=1, soft_time_limit=0.3, time_limit=20)
async def limited_in_a_coroutine_of_a_child(payload: Nothing, context: TaskContext) -> list[str]:
    """The same, in a coroutine."""
    cleaned: list[str] = []
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded as error:
        await asyncio.sleep(0.5)
        cleaned = [str(error), "cleaned up"]
    return cleaned


@task("test.context", max_attempts=2, retry_backoff=0.1, retry_jitter=False)
def tells_its_context(payload: Nothing, context: TaskContext) -> dict[str, Any]:
    """Fail once, then return what its context says."""
    if context.attempt == 1:
        message = "once"
        raise OSError(message)
    return {
        "tenant_id": str(context.tenant_id),
        "task_id": str(context.task_id),
        "attempt": context.attempt,
        "idempotency_key": context.idempotency_key,
        "deadline": context.deadline.isoformat(),
        "cancel_requested": context.cancel_requested,
    }


@task("test.nap")
def nap(payload: Sum, context: TaskContext) -> int:
    """As ``test.sleep``, of one test alone: how long its attempts last says nothing of other types."""
    return sleep(payload, context)


@task("test.doze")
def doze(payload: Sum, context: TaskContext) -> int:
    """As ``test.nap``, of another test."""
    return sleep(payload, context)


class Rest(BaseModel):
    """How long to sleep."""

    seconds: float


@task("test.rest")
def rest(payload: Rest, context: TaskContext) -> None:
    """Sleep for less than a second, so that the type is never a long one."""
    time.sleep(payload.seconds)


@task("test.sleep")
def sleep(payload: Sum, context: TaskContext) -> int:
    """Sleep ``a`` seconds, once."""
    time.sleep(payload.a)
    return context.attempt


_met: set[UUID] = set()
_all_are_there = asyncio.Event()


@task("test.io.meet", pool="asyncio")
async def meet(payload: Sum, context: TaskContext) -> int:
    """Return when ``a`` of them run at once."""
    _met.add(context.task_id)
    if len(_met) >= payload.a:
        _all_are_there.set()
    await _all_are_there.wait()
    return len(_met)


@task("test.io.limited", pool="asyncio", max_attempts=1, soft_time_limit=0.3, time_limit=20)
async def limited(payload: Nothing, context: TaskContext) -> str:
    """Clean up at the soft limit, and return."""
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded as error:
        # It may wait meanwhile.
        await asyncio.sleep(0.01)
        return str(error)
    return "never"


@task("test.io.deaf", pool="asyncio", max_attempts=1, soft_time_limit=0.2, time_limit=0.4)
async def deaf_in_the_loop(payload: Nothing, context: TaskContext) -> None:
    """Hear of no limit and no cancel."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with contextlib.suppress(asyncio.CancelledError, SoftTimeLimitExceeded):
            await asyncio.sleep(0.05)


@task("test.io.exit", pool="asyncio", max_attempts=1)
async def leave_the_loop(payload: Nothing, context: TaskContext) -> None:
    """Would end the loop, and every other task on it."""
    raise SystemExit(3)


@task("test.io.sleep", pool="asyncio")
async def sleep_in_the_loop(payload: Sum, context: TaskContext) -> int:
    """Sleep for ``a`` seconds, a while more after a cancel."""
    await asyncio.sleep(payload.a)
    return payload.b


@task("test.io.progress", pool="asyncio", max_attempts=2, retry_backoff=0.1)
async def progress_in_the_loop(payload: Sum, context: TaskContext) -> int:
    """Report progress, and fail the first time."""
    context.progress(1, 2, "half")
    if context.attempt == 1:
        message = "once"
        raise OSError(message)
    return payload.a + payload.b


class Name(BaseModel):
    """Which case."""

    name: str


_REPORTS: Final[dict[str, Callable[[TaskContext], None]]] = {
    "nan": lambda context: context.progress(math.nan, 1),
    "inf": lambda context: context.progress(1, math.inf),
    "decimal": lambda context: context.progress(decimal.Decimal("0.5"), 1),
    "huge": lambda context: context.progress(10**400, 2**64),
    "no number": lambda context: context.progress(object(), None),
    "nul": lambda context: context.progress(1, 2, "a\0b"),
    "surrogate": lambda context: context.progress(1, 2, "a\ud800b"),
    "long": lambda context: context.progress(1, 2, "\0" * 100_000),
    "no text": lambda context: context.progress(1, 2, ["a"]),
    # Past what makes progress storable, as a wrapper of somebody's own may.
    "raw nan": lambda context: context.report({"done": math.nan, "total": 1, "note": None}),
    "raw nul": lambda context: context.report({"done": 1, "total": 1, "note": "a\0b"}),
    "raw surrogate": lambda context: context.report({"done": 1, "total": 1, "note": "\ud800"}),
    "raw object": lambda context: context.report({"done": decimal.Decimal(1)}),
    "raw text": lambda context: context.report("half"),
}


@task("test.reports", max_attempts=1)
def reports(payload: Name, context: TaskContext) -> str:
    """Report what JSON or Postgres cannot take, and succeed."""
    _REPORTS[payload.name](context)
    return "done"


@task("test.io.reports", max_attempts=1, pool="asyncio")
async def reports_in_the_loop(payload: Name, context: TaskContext) -> str:
    """The same, side by side with others."""
    return reports(payload, context)


class _OddMeta(type):
    __name__ = property(lambda _: "a\0\ud800" * 1000)


class Odd(Exception, metaclass=_OddMeta):  # noqa: N818
    """Of a name that no text is."""


@task("test.odd_error", max_attempts=1)
def odd_error(payload: Nothing, context: TaskContext) -> None:
    """Raise what has an odd name and message."""
    raise Odd("\0\udfff" * 100_000)


@task("test.any_nan", max_attempts=1)
def any_nan(payload: Nothing, context: TaskContext) -> Any:
    """Return what JSON cannot say, and no type tells."""
    return {"v": math.nan}


class Items(BaseModel):
    """Any values."""

    items: list[Any]


@task("test.repr", max_attempts=1)
def represent(payload: Items, context: TaskContext) -> list[str]:
    """Return how Python writes what it was given."""
    return [repr(item) for item in payload.items]


class Colour(Enum):
    """Of a strict payload."""

    RED = "red"


class Strictly(BaseModel):
    """Each kind that strict models take as JSON only."""

    model_config = ConfigDict(strict=True, extra="forbid")

    day: date
    moment: datetime
    length: timedelta
    id: UUID
    colour: Colour
    amount: decimal.Decimal
    raw: bytes
    pair: tuple[int, str]
    some: set[int]


class Annotatedly(BaseModel):
    """Strict in one member."""

    day: Annotated[date, Strict()]


@task("test.strict", max_attempts=1)
def strict(payload: Strictly, context: TaskContext) -> Strictly:
    """Return the payload."""
    return payload


@task("test.strict_member", max_attempts=1)
def strict_member(payload: Annotatedly, context: TaskContext) -> Annotatedly:
    """Return the payload."""
    return payload


class Carded(BaseModel):
    """A payload whose validator quotes what it was given."""

    card: str

    @field_validator("card")
    @classmethod
    def _is_known(cls, card: str) -> str:
        if "worker" in sys.argv or card == "refused":
            raise ValueError(f"{card} is no card")
        return card


@task("test.card", max_attempts=1)
def card(payload: Carded, context: TaskContext) -> None:
    """Take a card."""


class Chatter(BaseModel):
    """How much to tell."""

    lines: int
    reports: int
    seconds: float


@task("test.chatter")
def chatter(payload: Chatter, context: TaskContext) -> None:
    """Log lines and report progress, spread over some seconds."""
    for number in range(payload.lines):
        context.log.info("line %d", number)
        if number % max(1, payload.lines // payload.reports) == 0:
            context.progress(number, payload.lines)
        time.sleep(payload.seconds / payload.lines)


@task("test.log")
def log(payload: Nothing, context: TaskContext) -> None:
    """Write a line."""
    context.log.info("hello from the task")
