"""Metrics of deliveries over HTTP: series, rates and percentiles, and which times may be asked for."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.webhooks import durations
from tests.conftest import Tenant
from tests.webhooks.history.conftest import Kept


def _get(tenant: Tenant, **query: Any) -> httpx.Response:
    return tenant.client.get("/api/webhooks/metrics", params=query)


def _count(kept: Kept, tenant: Tenant, at: datetime, status: str, attempts: int, milliseconds: int, **of: Any) -> None:
    facts = {"bucket": "hour", "endpoint": UUID(int=0), "type": "task.succeeded", "first": attempts} | of
    histogram = [count * attempts for count in durations.one(milliseconds)]
    kept.sql(
        "INSERT INTO webhook_stat (tenant_id, bucket, at, endpoint_id, event_type, status_class, attempts, first_attempts,"
        " histogram) VALUES ($1, $2, date_trunc($2, $3::timestamptz, 'UTC'), $4, $5, $6, $7, $8, $9)",
        UUID(tenant.tenant_id), facts["bucket"], at, facts["endpoint"], facts["type"], status, attempts, facts["first"],
        histogram,
    )  # fmt: skip


def test_attempts_are_counted_by_bucket_and_series(kept: Kept, acme: Tenant, globex: Tenant):
    now, endpoint = datetime.now(UTC), uuid.uuid4()
    earlier = now - timedelta(hours=2)
    _count(kept, acme, earlier, "2xx", 90, 10)
    _count(kept, acme, earlier, "5xx", 10, 2_000, endpoint=endpoint, first=4)
    _count(kept, acme, now, "none", 5, 15_000, type="task.failed")
    _count(kept, globex, now, "2xx", 1, 1)
    first, second = _get(acme).json()["items"]
    assert (first["attempts"], first["failures"], first["error_rate"], first["first_attempts"], first["retries"]) == (
        100, 10, 0.1, 94, 6,
    )  # fmt: skip
    assert (first["endpoint_id"], first["type"], first["status"]) == (None, None, None)
    assert datetime.fromisoformat(first["at"]) == earlier.replace(minute=0, second=0, microsecond=0)
    assert 7 <= first["duration_ms"]["p50"] <= 13
    assert 1_400 <= first["duration_ms"]["p95"] <= 2_900
    assert (second["attempts"], second["error_rate"]) == (5, 1.0)
    by = {name: _get(acme, by=name).json()["items"] for name in ("endpoint", "type", "status")}
    assert [(item["endpoint_id"], item["attempts"]) for item in by["endpoint"]] == [
        (None, 90), (str(endpoint), 10), (None, 5),
    ]  # fmt: skip
    assert [(item["type"], item["attempts"]) for item in by["type"]] == [("task.succeeded", 100), ("task.failed", 5)]
    assert [(item["status"], item["attempts"]) for item in by["status"]] == [("2xx", 90), ("5xx", 10), ("none", 5)]


def test_the_time_and_the_length_of_buckets_are_chosen(kept: Kept, acme: Tenant):
    now = datetime.now(UTC)
    _count(kept, acme, now, "2xx", 3, 1, bucket="day")
    _count(kept, acme, now - timedelta(days=300), "2xx", 4, 1, bucket="day")
    _count(kept, acme, now - timedelta(minutes=30), "2xx", 1, 1, bucket="minute")
    assert [item["attempts"] for item in _get(acme, bucket="day").json()["items"]] == [3]
    long_ago = (now - timedelta(days=310)).isoformat()
    assert [item["attempts"] for item in _get(acme, bucket="day", **{"from": long_ago}).json()["items"]] == [4, 3]
    assert _get(acme, bucket="minute").json() == {
        "bucket": "minute",
        "items": _get(acme, bucket="minute").json()["items"],
    }
    assert len(_get(acme, bucket="minute").json()["items"]) == 1
    assert _get(acme, bucket="hour").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"bucket": "week"},
        {"by": "tenant"},
        {"from": "2027-01-02T00:00:00Z", "to": "2027-01-01T00:00:00Z"},
        {"from": "2027-01-01T00:00:00Z", "to": "2027-01-04T00:00:00Z", "bucket": "minute"},
        {"from": "2027-01-01T00:00:00Z", "to": "2027-03-04T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "to": "2027-03-04T00:00:00Z", "bucket": "day"},
        {"to": "0001-01-01T00:00:00Z"},
    ],
)
def test_a_time_that_makes_no_sense_is_refused(acme: Tenant, query: dict[str, str]):
    refused = _get(acme, **query)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
