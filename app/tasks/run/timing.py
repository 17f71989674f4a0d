"""Time limits between workers, attempts and the dispatcher, in seconds. SQL functions get them as parameters."""

from typing import Final

HEARTBEAT_INTERVAL: Final = 3.0
"""Between two heartbeats, and between two polls for cancels: a lost wake-up delays a cancel by no more than this."""

WORKER_DEAD_AFTER: Final = 15.0
"""Without a heartbeat (five missed in a row): long enough that a short fail-over of Postgres loses no attempts."""

UNKNOWN_AFTER: Final = 2 * HEARTBEAT_INTERVAL
"""After the claim: a heartbeat that comes later than this, and does not list the attempt, proves that it is lost."""

DEADLINE_GRACE: Final = 5.0
"""From the hard time limit until the dispatcher takes the attempt away: the worker has time to end it itself."""

SHORT_ATTEMPT: Final = 1.0
"""The longest run time of a short attempt. Longer ones count as long (docs/decisions/0013-the-last-free-slot.md)."""

SHORT_FOR: Final = 2.0
"""After a short attempt its tenant counts as one with short tasks for this time."""

LIMIT_GAP: Final = 1.0
"""A slot that is free for no longer than this does not end the time at a tenant's limit (tenant_slots.full_since)."""

WORKER_GRACE: Final = 1.0
"""From the hard time limit, or from a request to end, until the worker ends the code by force."""

DELIVERY_SECONDS: Final = 15.0
"""A lease that no call of its worker has named ends after this time: its answer may never have arrived."""

SEEN_EVERY: Final = 5.0
"""A tenant's own worker is noted as seen this late at most: not each of its calls writes a row."""

REMOTE_GONE_AFTER: Final = 45.0
"""Without a call, a tenant's own worker counts as gone: longer than a poll may wait, and SEEN_EVERY."""
