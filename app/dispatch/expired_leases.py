"""Take the attempts of expired leases away from tenants' own workers.

A lease that its worker has never named ends RETURNED, which does not count. One that was named ends LOST: five such
attempts end the task.
"""

import logging
from datetime import datetime
from typing import Final

import asyncpg

from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.dispatch.leadership import Lead
from app.dispatch.postgres_contact import PostgresContact
from app.dispatch.rescuer import Rescued
from app.tasks import expired_lease_store
from app.tasks.expired_lease_store import ExpiredLease
from app.tasks.run import after_commit, end, outcomes
from app.tasks.run.attempts import AttemptEnd, FinishResult, Outcome

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Leases that one round ends. If many workers are cut off at once, the next rounds continue.
_AT_ONCE: Final = 500


class ExpiredLeases:
    """Finds expired leases in the role tq_dispatch, and ends their attempts in the role tq_worker."""

    def __init__(self, lead: Lead, worker: Database, contact: PostgresContact) -> None:
        """``lead`` has the token of the lease: a dispatcher that no longer leads changes nothing."""
        self._connection, self._fence = lead.connection, lead.token
        self._worker = worker
        self._contact = contact
        self._prolonged_since: datetime | None = None

    async def tick(self) -> Rescued:
        """End the attempts of expired leases; return the tenants with work again, and the tasks that have ended.

        After a time without Postgres, in which no heartbeat could be written, confirmed leases last from now.
        """
        if self._contact.since != self._prolonged_since:
            await expired_lease_store.prolong_leases_any_tenant(self._connection, self._fence)
            self._prolonged_since = self._contact.since
        found = await expired_lease_store.expired_leases_any_tenant(self._connection, _AT_ONCE, self._fence)
        rescued = [(lease, ended) for lease in found if (ended := await self._take_away(lease))]
        return Rescued(
            [(lease.tenant_id, lease.pool) for lease, _ in rescued],
            [(lease.tenant_id, lease.task_id) for lease, ended in rescued if after_commit.is_final(ended)],
        )

    async def _take_away(self, lease: ExpiredLease) -> FinishResult | None:
        try:
            attempt_end = AttemptEnd(lease, _outcome(lease))
            result = await end.end_as_leader(self._worker, attempt_end, self._fence)
            await expired_lease_store.forget_lease(self._connection, lease.tenant_id, lease, self._fence)
        except Unavailable:
            # The lease stays marked, so the next round finds it again.
            return None
        except asyncpg.PostgresError as error:
            # About this attempt, so the others must not wait for it. The text may quote the row, so the type is logged.
            facts = after_commit.names(lease) | {"error": type(error).__name__}
            _log_limiter.log(logging.ERROR, "an expired lease cannot be ended", reason=str(lease.task_id), extra=facts)
            return None
        # An attempt that had ended by itself left only its row.
        if result is not None:
            times_lost = lease.times_lost + lease.is_confirmed
            after_commit.warn_of_rescue(attempt_end, result, reason=lease.reason, times_lost=times_lost)
        return result


def _outcome(lease: ExpiredLease) -> Outcome:
    return outcomes.lost(lease.times_lost) if lease.is_confirmed else outcomes.returned(0)
