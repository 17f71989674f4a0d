"""Check calls against the tenant's rate. Quotas of tasks are checked where tasks are stored (``tasks_accept``)."""

from collections.abc import Callable
from uuid import UUID

from redis.asyncio import Redis

from app.core.errors import RateLimited
from app.quotas import limits as policies
from app.quotas.limits import Remaining
from app.quotas.rate import Rates
from app.tenants.plans import Limits


class Admission:
    """Admits or refuses calls in one api process, by the tenant's rate."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` stores the rates, and may be unavailable."""
        self._rates = Rates(redis)

    def close(self) -> None:
        """Stop asking Redis."""
        self._rates.close()

    async def call(self, tenant_id: UUID, limits: Limits) -> dict[str, str]:
        """Admit a call other than a submit; return its RateLimit fields. Raises ``RateLimited``."""
        remaining = await self._ask_rate(tenant_id, limits, policies.call_policies)
        return policies.fields(policies.call_policies(limits), remaining)

    async def submit(self, tenant_id: UUID, limits: Limits) -> list[Remaining]:
        """Admit a submit before its body is read; return the remaining rate, for its answer. Raises ``RateLimited``."""
        return await self._ask_rate(tenant_id, limits, policies.submit_policies)

    async def _ask_rate(
        self, tenant_id: UUID, limits: Limits, policy_field: Callable[[Limits], str]
    ) -> list[Remaining]:
        rate = policies.rate_of(limits)
        # An unlimited tenant costs Redis nothing.
        if rate is None:
            return []
        answer = await self._rates.ask(tenant_id, rate)
        remaining = policies.rate_remaining(rate, answer)
        if not answer.is_allowed:
            wait = policies.seconds(answer.wait)
            raise RateLimited(
                "Too many requests. Wait as long as Retry-After says.",
                headers={"Retry-After": str(wait), **policies.fields(policy_field(limits), [remaining])},
                **{"violated-policies": ["rate"], "limit": limits.requests_per_second, "retry_after": wait},
            )
        return [remaining]
