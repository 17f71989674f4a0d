"""Rates and policies (pure): when the next request may come, and how a caller is told of each."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Final, Literal, NamedTuple, TypeAlias

from app.tenants.plans import UNLIMITED, Limits

Policy: TypeAlias = Literal["rate", "backlog", "day", "month"]

_SECOND: Final = 1_000_000
_WINDOWS: Final = {"day": 86_400, "month": 2_678_400}


class Rate(NamedTuple):
    """So many requests at once, and then one in each interval. Times are whole microseconds."""

    interval: int
    burst: int

    @property
    def tolerance(self) -> int:
        """How far ahead of now the time of arrival may be."""
        return self.interval * self.burst


class Answer(NamedTuple):
    """Whether a request may come now; the bucket after it."""

    is_allowed: bool
    left: int
    """Requests that may follow at once."""
    wait: int
    """Microseconds until this one would be allowed; 0 where it is."""
    ahead: int
    """How far the theoretical time of arrival lies ahead of now: 0 is a full bucket."""


def rate_of(limits: Limits) -> Rate | None:
    """Return the rate of a tenant; ``None`` where nothing would ever be refused."""
    if UNLIMITED in (limits.requests_per_second, limits.burst):
        return None
    # Rounded up: never faster than the limit.
    return Rate(-(-_SECOND // limits.requests_per_second), limits.burst)


def ask(rate: Rate, arrival: int, now: int) -> Answer:
    """Ask by GCRA for one request; ``arrival`` is the theoretical time of arrival that the last one left."""
    # Cut at both ends: an old one is a full bucket, and after a clock that stepped back the wait is a whole bucket.
    ahead = min(max(arrival - now, 0), rate.tolerance)
    is_allowed = ahead + rate.interval <= rate.tolerance
    return answer(rate, ahead + rate.interval if is_allowed else ahead, is_allowed=is_allowed)


def answer(rate: Rate, ahead: int, *, is_allowed: bool) -> Answer:
    """Return what is known once the request has been decided, here or by Redis."""
    wait = 0 if is_allowed else max(0, ahead + rate.interval - rate.tolerance)
    return Answer(is_allowed, max(0, rate.tolerance - ahead) // rate.interval, wait, ahead)


def seconds(microseconds: int) -> int:
    """Return a wait as Retry-After takes it: whole seconds, rounded up, at least one."""
    return max(1, ceil(microseconds / _SECOND))


class Remaining(NamedTuple):
    """What is left of one policy, and the seconds until there is more where that is known."""

    policy: Policy
    number: int
    more_in: int | None


def rate_remaining(rate: Rate, answered: Answer) -> Remaining:
    """Return what is left of the rate; a full bucket gets no more."""
    until_next = answered.wait or (rate.interval if answered.ahead else 0)
    return Remaining("rate", answered.left, seconds(until_next) if until_next else None)


def fields(policies: str, remaining: Sequence[Remaining]) -> dict[str, str]:
    """Return the RateLimit header fields (draft 11); none where no policy limits the request."""
    if not policies:
        return {}
    headers = {"RateLimit-Policy": policies}
    if remaining:
        headers["RateLimit"] = ", ".join(map(_item, remaining))
    return headers


def _item(remaining: Remaining) -> str:
    more = "" if remaining.more_in is None else f";t={remaining.more_in}"
    return f'"{remaining.policy}";r={remaining.number}{more}'


@lru_cache(maxsize=1024)
def call_policies(limits: Limits) -> str:
    """Return RateLimit-Policy of a call that is no submit: the rate, or nothing."""
    rate = rate_of(limits)
    if rate is None:
        return ""
    # q in w is never more than the rate gives: the burst in the time that refills it, or what comes in a second.
    quota = max(limits.burst, limits.requests_per_second)
    return f'"rate";q={quota};w={ceil(quota / limits.requests_per_second)}'


@lru_cache(maxsize=1024)
def submit_policies(limits: Limits) -> str:
    """Return RateLimit-Policy of a submit; unlimited policies are not in it."""
    periods = [f'"{name}";q={quota};w={_WINDOWS[name]}' for name, quota in quotas(limits).items() if name != "backlog"]
    backlog = [f'"backlog";q={limits.backlog}'] if limits.backlog != UNLIMITED else []
    return ", ".join(filter(None, [call_policies(limits), *periods, *backlog]))


def quotas(limits: Limits) -> Mapping[Policy, int]:
    """Return the limits on tasks that hold, by policy."""
    named: dict[Policy, int] = {
        "day": limits.tasks_per_day, "month": limits.tasks_per_month, "backlog": limits.backlog,
    }  # fmt: skip
    return {policy: quota for policy, quota in named.items() if quota != UNLIMITED}
