"""Refusals of the ledger that are remembered for a while, so that the same refusal need not ask Postgres again."""

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
# A backlog drains without word to the api: its refusal is remembered for no longer than a caller can notice.
_BACKLOG_SECONDS: Final = 0.2


class Refusal(NamedTuple):
    """A limit that is reached."""

    policy: Quota
    seconds: int | None
    """Until its period ends; None for a backlog, which has none."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A refusal; it is valid while the limit is no higher, until a moment (monotonic)."""

    policy: Quota
    limit: int
    until: float
    ends_at: float
    """The end of the period, in seconds of the monotonic clock."""


class Refusals:
    """The latest refusal of each tenant, in one process. The ledger is exact without it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._latest: OrderedDict[UUID, _Remembered] = OrderedDict()

    def remember(self, tenant_id: UUID, limits: Limits, policy: Quota, seconds: int) -> None:
        """Remember that the ledger has refused a task; ``seconds`` until the limit's period ends."""
        memory = _BACKLOG_SECONDS if policy == "backlog" else min(seconds, _MAX_SECONDS)
        now = monotonic()
        limit = policies.quotas(limits)[policy]
        self._latest[tenant_id] = _Remembered(policy, limit, now + memory, now + seconds)
        if len(self._latest) > _MAX_TENANTS:
            self._latest.popitem(last=False)

    def find(self, tenant_id: UUID, limits: Limits) -> Refusal | None:
        """Return the refusal that is still valid for a tenant; None where Postgres must be asked."""
        latest = self._latest.get(tenant_id)
        if latest is None:
            return None
        limit = policies.quotas(limits).get(latest.policy)
        now = monotonic()
        if limit is None or limit > latest.limit or now >= latest.until:
            del self._latest[tenant_id]
            return None
        return Refusal(latest.policy, None if latest.policy == "backlog" else max(1, int(latest.ends_at - now) + 1))
