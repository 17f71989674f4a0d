"""Limit how often one session of the console asks. It does not use up the rate of the tenant's programs."""

from typing import Final

from app.console.visit import Visit
from app.core.errors import RateLimited
from app.quotas import limits as policies
from app.quotas.limits import Rate

# 25 pages in a second for long, and 150 at once: far more than a person with several tabs asks for.
_RATE: Final = Rate(interval=40_000, burst=150)


async def admit(visit: Visit) -> None:
    """Count a request of a session. Raises ``RateLimited`` and ``Unauthenticated``."""
    # The session's id stands for a tenant's: each session has a bucket of its own.
    answer = await visit.parts.rates.ask(visit.session.id, _RATE)
    if not answer.is_allowed:
        wait = policies.seconds(answer.wait)
        raise RateLimited("The console was asked too often. Wait a moment.", headers={"Retry-After": str(wait)})
