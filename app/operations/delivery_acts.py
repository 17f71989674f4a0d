"""Send deliveries again that a filter selects, or events that an endpoint has missed, fifty in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.core import failpoints
from app.db import Connection
from app.operations import choosing, store
from app.operations.paged_act import PagedAct
from app.operations.progress import MAX_ERRORS, Standing, StepResult, Waits
from app.tasks.selection import SelectedPage
from app.webhooks import repair_store
from app.webhooks.history import store as delivery_store
from app.webhooks.history.reading import REFUSALS

# A body that has to be made may have 64 KiB. So many of them are in the memory of Postgres at the same time.
_AT_ONCE: Final = 50
_FAILED: Final = frozenset({"disabled", "lost"})


class _SendingAct(PagedAct):
    """The common step of the acts that make deliveries due. A subclass selects the objects and sends them."""

    at_once = _AT_ONCE
    names = "delivery_id"

    async def send(self, connection: Connection, standing: Standing, chosen: Sequence[UUID]) -> Mapping[UUID, str]:
        """Send the chosen objects, and return the outcome of each that still exists."""
        raise NotImplementedError

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Send the next ones, in the transaction that records the progress."""
        page = await self._next(standing, one_only=one_only)
        async with self._worker.transaction(standing.tenant_id) as connection:
            outcomes = await self.send(connection, standing, page.matching) if page.matching else {}
            progress = self._result(page, outcomes)
            await store.advance(connection, standing.tenant_id, standing, progress, self._fence)
            failpoints.hit("sending_act.before_commit")
        failpoints.hit("sending_act.after_commit")
        return None

    def _result(self, page: SelectedPage, outcomes: Mapping[UUID, str]) -> StepResult:
        failed = [(one, outcome) for one, outcome in outcomes.items() if outcome in _FAILED]
        done = sum(outcome == "sent" for outcome in outcomes.values())
        errors = [self.failure(one, REFUSALS[outcome]) for one, outcome in reversed(failed)]
        skipped = len(page.matching) - done - len(failed)
        return StepResult(page.read_to, done=done, failed=len(failed), skipped=skipped, errors=errors[:MAX_ERRORS])


class DeliveryResend(_SendingAct):
    """Sends ended deliveries again: all that failed at an endpoint (recover), or those of a filter (resend)."""

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return deliveries that have ended before the request."""
        wanted = choosing.to_resend(standing)
        rows = await repair_store.ended(connection, standing.tenant_id, wanted, after=standing.cursor, limit=limit)
        return SelectedPage([row.id for row in rows if row.matches], rows[-1].id if len(rows) == limit else None)

    async def send(self, connection: Connection, standing: Standing, chosen: Sequence[UUID]) -> Mapping[UUID, str]:
        """Make the deliveries due."""
        statuses = choosing.to_resend(standing).statuses
        return await delivery_store.resend(
            connection, standing.tenant_id, chosen, statuses=statuses, before=standing.created_at
        )


class ReplayMissing(_SendingAct):
    """Sends an endpoint the events that it has missed. Cursor and ids are the numbers of events."""

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return events that the endpoint asks for and was never sent."""
        rows = await repair_store.missing(
            connection,
            standing.tenant_id,
            choosing.endpoint_of(standing),
            after=standing.cursor.int,
            since=_since(standing),
            asked_at=standing.created_at,
            limit=limit,
        )
        read_to = rows[-1]["seq"] if rows else None
        # The cursor of an operation is a UUID. A number of 64 bits fits into one.
        matching = [UUID(int=row["seq"]) for row in rows if row["is_missing"]]
        return SelectedPage(matching, None if read_to is None else UUID(int=read_to))

    async def send(self, connection: Connection, standing: Standing, chosen: Sequence[UUID]) -> Mapping[UUID, str]:
        """Make a delivery of each event."""
        numbers = [number.int for number in chosen]
        outcomes = await repair_store.replay(
            connection, standing.tenant_id, choosing.endpoint_of(standing), numbers, since=_since(standing)
        )
        return {UUID(int=number): outcome for number, outcome in outcomes.items()}

    def failure(self, one: UUID, reason: str) -> dict[str, str | None]:
        """Return the entry of an event for the errors of the operation: it has no delivery that could be named."""
        return {"delivery_id": None, "detail": f"Event number {one.int}: {reason}"}


def _since(standing: Standing) -> datetime:
    """Return the time of the oldest event to send: none that the tenant itself may not read any more."""
    kept_from = standing.created_at - timedelta(hours=standing.limits.event_hours)
    asked = choosing.time_of(standing, "since")
    return kept_from if asked is None else max(asked, kept_from)
