"""Compute rates by GCRA, and write the RateLimit header fields (pure).

GCRA is the generic cell rate algorithm of ITU-T I.371. The header fields follow
draft-ietf-httpapi-ratelimit-headers-11.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Final, Literal, NamedTuple, TypeAlias

from app.tenants.plans import UNLIMITED, Limits

Policy: TypeAlias = Literal["rate", "backlog", "day", "month"]

# Microseconds in a second.
_SECOND: Final = 1_000_000
# Seconds in a day and in the longest month: the header needs a fixed window.
_WINDOWS: Final = {"day": 86_400, "month": 2_678_400}


class Rate(NamedTuple):
    """A rate: ``burst`` requests at once, and then one in each ``interval`` of whole microseconds."""

    interval: int
    burst: int

    @property
    def tolerance(self) -> int:
        """The most microseconds that the theoretical time of arrival may lie ahead of now."""
        return self.interval * self.burst


class RateDecision(NamedTuple):
    """The decision on one request, and the state of the bucket after it."""

    is_allowed: bool
    left: int
    """Further requests that may come at once."""
    wait: int
    """Microseconds until the request would be allowed; 0 when it is allowed."""
    ahead: int
    """Microseconds by which the theoretical time of arrival lies ahead of now; 0 is a full bucket."""


def rate_of(limits: Limits) -> Rate | None:
    """Return the rate of a tenant; ``None`` when it has no limit."""
    if UNLIMITED in (limits.requests_per_second, limits.burst):
        return None
    # The interval is rounded up, so that the rate is never higher than the limit.
    return Rate(-(-_SECOND // limits.requests_per_second), limits.burst)


def ask(rate: Rate, arrival: int, now: int) -> RateDecision:
    """Decide one request by GCRA. ``arrival`` is the theoretical time of arrival after the previous request."""
    # Clamped at both ends: an old arrival means a full bucket. After a clock stepped back, the wait is at most the time
    # that refills a bucket.
    ahead = min(max(arrival - now, 0), rate.tolerance)
    is_allowed = ahead + rate.interval <= rate.tolerance
    return decided(rate, ahead + rate.interval if is_allowed else ahead, is_allowed=is_allowed)


def decided(rate: Rate, ahead: int, *, is_allowed: bool) -> RateDecision:
    """Return the decision on a request, after this process or Redis has made it."""
    wait = 0 if is_allowed else max(0, ahead + rate.interval - rate.tolerance)
    return RateDecision(is_allowed, max(0, rate.tolerance - ahead) // rate.interval, wait, ahead)


def seconds(microseconds: int) -> int:
    """Return a wait in the form of Retry-After: whole seconds, rounded up, at least one."""
    return max(1, ceil(microseconds / _SECOND))


class Remaining(NamedTuple):
    """The remaining number of one policy, and the seconds until it grows (``None`` when not known)."""

    policy: Policy
    number: int
    more_in: int | None


def rate_remaining(rate: Rate, answered: RateDecision) -> Remaining:
    """Return the remaining requests of the rate. A full bucket does not grow."""
    until_next = answered.wait or (rate.interval if answered.ahead else 0)
    return Remaining("rate", answered.left, seconds(until_next) if until_next else None)


def fields(policies: str, remaining: Sequence[Remaining]) -> dict[str, str]:
    """Return the RateLimit header fields; none when no policy limits the request."""
    if not policies:
        return {}
    headers = {"RateLimit-Policy": policies}
    # The field RateLimit must not be empty, so it is left out when nothing is known.
    if remaining:
        headers["RateLimit"] = ", ".join(map(_item, remaining))
    return headers


def _item(remaining: Remaining) -> str:
    more = "" if remaining.more_in is None else f";t={remaining.more_in}"
    return f'"{remaining.policy}";r={remaining.number}{more}'


@lru_cache(maxsize=1024)
def call_policies(limits: Limits) -> str:
    """Return RateLimit-Policy for a call other than a submit: the rate, or nothing."""
    rate = rate_of(limits)
    if rate is None:
        return ""
    # q requests in w seconds must never be more than the rate allows: the burst in the time that refills it, or the
    # requests of one second.
    quota = max(limits.burst, limits.requests_per_second)
    return f'"rate";q={quota};w={ceil(quota / limits.requests_per_second)}'


@lru_cache(maxsize=1024)
def submit_policies(limits: Limits) -> str:
    """Return RateLimit-Policy for a submit, without unlimited policies."""
    periods = [f'"{name}";q={quota};w={_WINDOWS[name]}' for name, quota in quotas(limits).items() if name != "backlog"]
    backlog = [f'"backlog";q={limits.backlog}'] if limits.backlog != UNLIMITED else []
    return ", ".join(filter(None, [call_policies(limits), *periods, *backlog]))


def quotas(limits: Limits) -> Mapping[Policy, int]:
    """Return the limits on tasks by policy, without unlimited ones."""
    named: dict[Policy, int] = {
        "day": limits.tasks_per_day, "month": limits.tasks_per_month, "backlog": limits.backlog,
    }  # fmt: skip
    return {policy: quota for policy, quota in named.items() if quota != UNLIMITED}
