"""Everything that is known of a run when it is at rest, gathered from four places."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from redis import Redis

from tests.faults.history import Operation
from tests.faults.owner import Owner
from tests.faults.receiver import Called, Received

# Keys that may be there while nothing waits: Celery's own, what tells one Redis from another, and Postgres's timeline.
_EXPECTED_KEYS: Final = ("_kombu.", "celery", "installation:timelines", "tenants:generation", "unacked", "worker.")

_TASKS: Final = """
SELECT k.id::text AS id, t.slug AS tenant, k.task, k.tags, k.status, k.attempt, k.failed_attempts, k.max_attempts,
    k.claim_token::text AS claim_token, k.webhook_url, coalesce(k.result, r.result)::text AS result, k.error->>'type' AS error_type
FROM task k JOIN tenant t ON t.id = k.tenant_id
LEFT JOIN result r ON r.tenant_id = k.tenant_id AND r.task_id = k.id
"""
_ATTEMPTS: Final = """
SELECT task_id::text AS task_id, attempt, status, claim_token::text AS token, started_at, finished_at,
    error->>'type' AS error_type
FROM attempt ORDER BY task_id, attempt
"""
_ENDED: Final = "SELECT task_id::text AS task_id, status FROM faults.ended"
# Under the id that the receiver is told.
_DELIVERIES: Final = """
SELECT 'msg_' || replace(id::text, '-', '') AS id, task_id::text AS task_id, status, attempt, url FROM delivery
"""
# What was counted and what is there, for each tenant and period.
_USAGE: Final = """
SELECT t.slug AS tenant, u.period, u.used, (
    SELECT count(*) FROM task k WHERE k.tenant_id = a.tenant_id
      AND (k.created_at AT TIME ZONE 'UTC')::date >= u.starts_on
      AND (k.created_at AT TIME ZONE 'UTC')::date
          < u.starts_on + CASE u.period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END) AS stored
FROM tenant_admitted a JOIN tenant t ON t.id = a.tenant_id
CROSS JOIN LATERAL (VALUES ('day', a.day, a.day_used), ('month', a.month, a.month_used)) AS u (period, starts_on, used)
"""
# The log itself, under the ids that followers are told.
_EVENTS: Final = """
SELECT t.slug AS tenant, CASE WHEN e.type <= 4 THEN e.subject::text END AS task_id, event_type_name(e.type) AS type,
    'evt_' || replace(event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at)::text, '-', '') AS id
FROM event e JOIN tenant t ON t.id = e.tenant_id ORDER BY e.tenant_id, e.seq
"""
_SLOTS: Final = "SELECT t.slug AS tenant, s.running FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id"


@dataclass
class Facts:
    """Rows are plain dictionaries."""

    operations: list[Operation]
    tasks: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    ended: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    usage: list[dict[str, Any]]
    slots: dict[str, int]
    received: list[Received]
    effects: list[dict[str, Any]]
    redis_keys: list[str]
    events: list[dict[str, Any]]
    """In their order, for each tenant."""
    quotas: dict[str, int]
    """Tasks a day, of those tenants that have such a limit."""
    postgres_crashes: list[float] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    """What a sampler saw that must not be."""
    calls: list[Called] = field(default_factory=list)
    """Requests of http_request tasks that came."""
    leaks: list[str] = field(default_factory=list)
    """Secrets found in logs."""
    followed: dict[str, list[tuple[str | None, str, str]]] = field(default_factory=dict)
    """What the follower of each tenant was told: task, type and id of each event, in the order in which they came."""
    collapses: list[str] = field(default_factory=list)
    """Parts that have ended by themselves, and what a log calls critical."""


def gather(owner: Owner, redis_url: str, effects: Path, operations: list[Operation], received: Sequence[Received],
           **others: Any) -> Facts:  # fmt: skip
    """Read everything."""

    def rows(sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in owner.rows(sql)]

    return Facts(
        operations=operations,
        tasks=rows(_TASKS),
        attempts=rows(_ATTEMPTS),
        ended=rows(_ENDED),
        deliveries=rows(_DELIVERIES),
        usage=rows(_USAGE),
        slots={row["tenant"]: row["running"] for row in rows(_SLOTS)},
        received=list(received),
        effects=[json.loads(line) for line in effects.read_text().splitlines()],
        events=rows(_EVENTS),
        redis_keys=unexpected_keys(redis_url),
        **others,
    )


def unexpected_keys(redis_url: str) -> list[str]:
    """Name the keys without an end that nothing needs while nothing waits."""
    with Redis.from_url(redis_url) as redis:
        names = [name.decode() for name in redis.scan_iter(count=1000)]
        return [name for name in names if not name.startswith(_EXPECTED_KEYS) and redis.ttl(name) == -1]


def leaks(folder: Path, secrets: Sequence[str]) -> list[str]:
    """Name the logs that hold a secret."""
    return [
        log.name for log in sorted(folder.glob("*.log")) if any(s in log.read_text(errors="replace") for s in secrets)
    ]


def criticals(folder: Path) -> list[str]:
    """Return the lines of logs that ask for somebody to come."""
    return [
        f"{log.name}: {line[:300]}"
        for log in sorted(folder.glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if '"level": "CRITICAL"' in line
    ]


def started(moment: datetime) -> float:
    """Return a moment as seconds since the epoch."""
    return moment.timestamp()
