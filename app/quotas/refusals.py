"""Remember refusals of the ledger for a while, so that further submits of the tenant need not ask Postgres."""

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from app.quotas import limits as policies
from app.quotas.schemas import Quota
from app.tenants.plans import Limits

_MAX_TENANTS: Final = 10_000
_MAX_SECONDS: Final = 60.0
# Seconds. The api is not told when a backlog drains, so this refusal is remembered only for a very short time.
_BACKLOG_SECONDS: Final = 0.2


class Refusal(NamedTuple):
    """A limit that is reached."""

    policy: Quota
    seconds: int | None
    """Seconds until the period of the limit ends; None for a backlog, which has no period."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A refusal. It is valid until ``until`` (monotonic), unless the limit is raised before."""

    policy: Quota
    limit: int
    until: float
    ends_at: float
    """The end of the period (monotonic)."""


class Refusals:
    """The latest refusal of each tenant, in one process. It only saves work: the ledger is exact without it."""

    def __init__(self) -> None:
        """Begin without refusals."""
        self._latest: OrderedDict[UUID, _Remembered] = OrderedDict()

    def remember(self, tenant_id: UUID, limits: Limits, policy: Quota, seconds: int) -> None:
        """Remember that the ledger has refused a task. The limit's period ends in ``seconds``."""
        memory = _BACKLOG_SECONDS if policy == "backlog" else min(seconds, _MAX_SECONDS)
        now = monotonic()
        limit = policies.quotas(limits)[policy]
        self._latest[tenant_id] = _Remembered(policy, limit, now + memory, now + seconds)
        if len(self._latest) > _MAX_TENANTS:
            # Forgetting costs one question to the ledger, and nothing else.
            self._latest.popitem(last=False)

    def find(self, tenant_id: UUID, limits: Limits) -> Refusal | None:
        """Return the refusal that is still valid for a tenant; None if Postgres must be asked."""
        latest = self._latest.get(tenant_id)
        if latest is None:
            return None
        limit = policies.quotas(limits).get(latest.policy)
        now = monotonic()
        # A raised limit counts at once, as soon as the principal has it.
        if limit is None or limit > latest.limit or now >= latest.until:
            del self._latest[tenant_id]
            return None
        return Refusal(latest.policy, None if latest.policy == "backlog" else max(1, int(latest.ends_at - now) + 1))
