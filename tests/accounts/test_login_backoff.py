"""Logins to one account are slowed down, and the memory for that is bounded."""

from app.accounts.login_backoff import LoginBackoff
from app.core.errors import TooManyAttempts


class Clock:
    """A clock that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _wait(backoff: LoginBackoff, email: str) -> int | None:
    try:
        backoff.enter(email)
    except TooManyAttempts as refused:
        return int(refused.headers["Retry-After"])
    return None


def test_the_wait_doubles_up_to_five_minutes_and_is_no_longer_for_who_asks_meanwhile() -> None:
    clock = Clock()
    backoff = LoginBackoff(clock)
    assert [_wait(backoff, "a@b.c") for _ in range(5)] == [None] * 5
    waits = []
    for _ in range(12):
        waits.append(_wait(backoff, "a@b.c"))
        assert _wait(backoff, "a@b.c") == waits[-1]
        clock.now += waits[-1] or 0
        assert _wait(backoff, "a@b.c") is None
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert _wait(backoff, "d@e.f") is None


def test_a_success_and_an_hour_wipe_the_slate() -> None:
    clock = Clock()
    backoff = LoginBackoff(clock)
    for forget in (lambda: backoff.succeed("a@b.c"), lambda: setattr(clock, "now", clock.now + 3_601)):
        assert [_wait(backoff, "a@b.c") for _ in range(5)] == [None] * 5
        assert _wait(backoff, "a@b.c") == 1
        forget()
        assert _wait(backoff, "a@b.c") is None
        backoff.succeed("a@b.c")


def test_memory_is_bounded() -> None:
    backoff = LoginBackoff(Clock())
    for number in range(21_000):
        backoff.enter(f"{number}@example.com")
    assert len(backoff._records) == 20_000
