"""Whether a tenant's call may be answered now: its rate first, then what the ledger is known to refuse."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from app.core.errors import BacklogFull, DailyQuotaExceeded, MonthlyQuotaExceeded, Problem, RateLimited
from app.quotas import limits as policies
from app.quotas.limits import Left, Policy
from app.quotas.rate import Rates
from app.quotas.schemas import Grant, Quota
from app.tenants.plans import UNLIMITED, Limits

_MAX_TENANTS: Final = 10_000
_LONGEST_MEMORY: Final = 60.0
# A backlog drains while nobody tells the api: its refusal is remembered for no longer than a caller can notice.
_BACKLOG_MEMORY: Final = 0.2
_BACKLOG_RETRY: Final = 2


@dataclass(frozen=True, slots=True)
class _Refused:
    """What the ledger has refused: it holds while the limit is no higher, until a moment (monotonic)."""

    policy: Quota
    limit: int
    until: float
    ends_at: float
    """When the period ends (monotonic)."""


class Admission:
    """The gate of one api process. The ledger is exact without it: it spares Postgres what would be refused."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` holds the rates, and may be away."""
        self._rates = Rates(redis)
        self._refused: OrderedDict[UUID, _Refused] = OrderedDict()

    def close(self) -> None:
        """Ask Redis no more."""
        self._rates.close()

    async def call(self, tenant_id: UUID, limits: Limits) -> dict[str, str]:
        """Admit a call that is no submit; return its RateLimit fields. Raises ``RateLimited``."""
        left = await self._ask_rate(tenant_id, limits, policies.call_policies)
        return policies.fields(policies.call_policies(limits), left)

    async def submit(self, tenant_id: UUID, limits: Limits) -> list[Left]:
        """Admit a submit to be read; return what is left of its rate, for ``admitted`` or ``refusal``.

        Raises ``RateLimited``.
        """
        return await self._ask_rate(tenant_id, limits, policies.submit_policies)

    def check_ledger(self, tenant_id: UUID, limits: Limits) -> None:
        """Refuse a submit, which is no replay, for what the ledger has refused lately; raises as ``refusal`` says."""
        refused = self._refused.get(tenant_id)
        if refused is not None and (wait := self._still_refused(tenant_id, refused, limits)):
            raise _quota_problem(refused.policy, limits, wait, [])

    async def _ask_rate(self, tenant_id: UUID, limits: Limits, policy_field: Callable[[Limits], str]) -> list[Left]:
        rate = policies.rate_of(limits)
        if rate is None:
            return []
        answer = await self._rates.ask(tenant_id, rate)
        left = policies.rate_left(rate, answer)
        if not answer.is_allowed:
            wait = policies.seconds(answer.wait)
            raise RateLimited(
                "Too many requests. Wait as long as Retry-After says.",
                headers={"Retry-After": str(wait), **policies.fields(policy_field(limits), [left])},
                **_members("rate", limits.requests_per_second, wait),
            )
        return [left]

    def refusal(self, tenant_id: UUID, limits: Limits, grant: Grant, rate: Sequence[Left]) -> Problem:
        """Return the error for a task that the ledger refuses, and remember it."""
        self.remember(tenant_id, limits, grant)
        return refused(limits, grant, rate)

    def remember(self, tenant_id: UUID, limits: Limits, grant: Grant) -> None:
        """Refuse the tenant's next submits for a while as the ledger has refused one."""
        policy, wait = _refused_by(grant)
        memory = _BACKLOG_MEMORY if policy == "backlog" else min(wait, _LONGEST_MEMORY)
        now = monotonic()
        self._refused[tenant_id] = _Refused(policy, policies.quotas(limits)[policy], now + memory, now + wait)
        if len(self._refused) > _MAX_TENANTS:
            self._refused.popitem(last=False)

    def _still_refused(self, tenant_id: UUID, refused: _Refused, limits: Limits) -> int:
        """Return the seconds until it may be otherwise, 0 where Postgres must be asked."""
        limit = policies.quotas(limits).get(refused.policy)
        now = monotonic()
        if limit is None or limit > refused.limit or now >= refused.until:
            del self._refused[tenant_id]
            return 0
        return _BACKLOG_RETRY if refused.policy == "backlog" else max(1, int(refused.ends_at - now) + 1)


def refused(limits: Limits, grant: Grant, rate: Sequence[Left]) -> Problem:
    """Return the error for a task that the ledger refuses."""
    policy, wait = _refused_by(grant)
    return _quota_problem(policy, limits, wait, [*rate, *_ledger_left(limits, grant)])


def _refused_by(grant: Grant) -> tuple[Quota, int]:
    """Return which limit has refused, and the seconds until it may be otherwise."""
    policy = grant.refused_by
    assert policy is not None  # noqa: S101 it has granted less than it was asked
    return policy, {"day": grant.day_ends_in, "month": grant.month_ends_in, "backlog": _BACKLOG_RETRY}[policy]


def admitted(limits: Limits, grant: Grant, rate: Sequence[Left]) -> dict[str, str]:
    """Return the RateLimit fields of a submit that was accepted."""
    return policies.fields(policies.submit_policies(limits), [*rate, *_ledger_left(limits, grant)])


def _ledger_left(limits: Limits, grant: Grant) -> list[Left]:
    left = []
    if limits.tasks_per_day != UNLIMITED:
        left.append(Left("day", max(0, limits.tasks_per_day - grant.day_used), grant.day_ends_in))
    if limits.tasks_per_month != UNLIMITED:
        left.append(Left("month", max(0, limits.tasks_per_month - grant.month_used), grant.month_ends_in))
    if limits.backlog != UNLIMITED:
        left.append(Left("backlog", max(0, limits.backlog - grant.waiting), None))
    return left


_QUOTA_PROBLEMS: Final[dict[Quota, tuple[type[Problem], str]]] = {
    "day": (
        DailyQuotaExceeded,
        "Today's tasks are used up. Wait for the next day (UTC), or ask for a larger plan.",
    ),
    "month": (
        MonthlyQuotaExceeded,
        "This month's tasks are used up. Wait for the next month (UTC), or ask for a larger plan.",
    ),
    "backlog": (
        BacklogFull,
        "As many tasks wait as the plan allows. Wait until some have run, cancel some, or ask for a larger plan.",
    ),
}


def _quota_problem(policy: Quota, limits: Limits, wait: int, left: list[Left]) -> Problem:
    kind, detail = _QUOTA_PROBLEMS[policy]
    left = left or [Left(policy, 0, None if policy == "backlog" else wait)]
    headers = {"Retry-After": str(wait), **policies.fields(policies.submit_policies(limits), left)}
    return kind(detail, headers=headers, **_members(policy, policies.quotas(limits)[policy], wait))


def _members(policy: Policy, limit: int, wait: int) -> dict[str, Any]:
    return {"violated-policies": [policy], "limit": limit, "retry_after": wait}
