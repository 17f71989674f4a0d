"""The data of a small shop in a fresh stack: what happened in the last month as rows, and today's tasks for real."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from uuid import UUID

import asyncpg

from scripts.benchmark.accounts import Account
from scripts.stack import http_client
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

_WAIT_SECONDS: Final = 120.0

# A day has its busy hours, and two of them had failures. $1: the tenant. The second part is today, all hours together.
_HOURS: Final = """
INSERT INTO stat (tenant_id, minutes, starts_at, task, submitted, succeeded, failed, revoked, is_at_limit, times)
SELECT $1::uuid, 60, date_trunc('hour', now(), 'UTC') - make_interval(hours => n), '', busy, busy - bad, bad,
    CASE WHEN n = 4 THEN 9 ELSE 0 END, n IN (6, 7), $2::bigint[]
FROM generate_series(1, 24) AS n,
    LATERAL (SELECT (120 + 100 * sin((n + 3) / 24.0 * 2 * pi()))::int AS busy) AS a,
    LATERAL (SELECT CASE WHEN n IN (3, 11) THEN 9 ELSE 0 END AS bad) AS b
UNION ALL
SELECT $1::uuid, 1440, date_trunc('day', now(), 'UTC'), '', 1830, 1803, 18, 9, true, $2::bigint[]
"""
# Counts * 256, and a histogram * 64 with a bucket: run times about 0.3 s, waits of 10 ms, some waits for the limit.
_TIMES: Final = (
    256 * 900 + 17,
    256 * 300 + 20,
    256 * 20 + 24,
    256 * 1200 + 128 + 8,
    256 * 90 + 128 + 12,
    256 * 40 + 64 + 19,
)
_DAYS: Final = """
INSERT INTO usage_by_task (tenant_id, day, task, tasks, attempts, worker_seconds)
SELECT $1, current_date - n, task, weight * (60 + 30 * sin(n) + 25 * (n % 7 / 6))::int, weight * 64, weight * 75
FROM generate_series(0, 29) AS n,
    (VALUES ('report.monthly', 4), ('customers.import', 9), ('invoice.send', 21)) AS t (task, weight)
"""
_COUNTS: Final = """
INSERT INTO tenant_admitted AS a (tenant_id, day, day_used, month, month_used)
SELECT $1, today, 1830, date_trunc('month', today), 61240 FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS t
ON CONFLICT (tenant_id) DO UPDATE
SET day = excluded.day, day_used = excluded.day_used, month = excluded.month, month_used = excluded.month_used
"""


class _Receiver(BaseHTTPRequestHandler):
    """The shop's server: it gets webhooks, and is busy with every fourth one."""

    got = 0

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        _Receiver.got += 1
        is_busy = self.path.endswith("/billing") and _Receiver.got % 4 == 0
        body = b'{"error": "busy, try again"}' if is_busy else b'{"ok": true}'
        self.send_response(503 if is_busy else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Shop:
    """A tenant with a life."""

    stack: Stack
    account: Account

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Make a call that must succeed."""
        status, answer = http_client.call(f"{self.stack.api_url}{path}", body=body, key=self.account.key)
        if status >= 400:  # noqa: PLR2004 the first status of a refusal
            message = f"{method} {path} was answered {status}: {answer}"
            raise StackError(message)
        return answer

    def submit(self, task: str, payload: dict[str, Any], **options: Any) -> str:
        """Submit a task; return its id."""
        body = {"task": task, "payload": payload} | options
        return str(self.call("POST", "/api/tasks/submit", body)["task_id"])

    def has_ended(self, task_id: str) -> bool:
        """Return whether a task has ended."""
        return self.call("GET", f"/api/tasks/{task_id}/status")["status"] in {"SUCCESS", "FAILURE", "REVOKED"}


def open_shop(stack: Stack, account: Account) -> tuple[dict[str, str], ThreadingHTTPServer]:
    """Fill the tenant, and return the ids that the pages of the pictures need, and the server to close."""
    asyncio.run(_write_history(stack.database_url or "", UUID(account.tenant_id)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    shop = Shop(stack, account)
    endpoint_id = _make_endpoints(shop, f"http://127.0.0.1:{server.server_port}")
    for name, scopes in (("web shop", ["tasks:read", "tasks:write"]), ("reports", ["tasks:read", "usage:read"])):
        shop.call("POST", "/api/keys", {"name": name, "scopes": scopes})
    for name, role in (("ann", "owner"), ("ben", "developer"), ("chloe", "viewer")):
        shop.call(
            "POST", "/api/members", {"email": f"{name}@example.com", "role": role, "password": "correct horse battery"}
        )
    schedule_id = _make_schedules(shop)
    failed = _work(shop)
    shop.submit("report.monthly", {"month": "2026-12"}, delay_seconds=3 * 3600, tags=["scheduled"])
    operation = shop.call("POST", "/api/tasks/retry", {"filter": {"statuses": ["FAILURE"], "task": "customers.import"}})
    _wait(lambda: shop.call("GET", f"/api/operations/{operation['operation_id']}")["status"] == "SUCCEEDED")
    delivery = _wait_for_failed_delivery(shop)
    running = shop.submit(
        "report.monthly", {"month": "2026-11", "seconds": 400}, tags=["monthly", "customer-204"], priority=7
    )
    _wait(lambda: shop.call("GET", f"/api/tasks/{running}").get("progress") is not None)
    ids = {"task_id": failed, "endpoint_id": endpoint_id, "delivery_id": delivery}
    return ids | {"operation_id": str(operation["operation_id"]), "schedule_id": schedule_id}, server


def _make_schedules(shop: Shop) -> str:
    nightly = {"name": "month-so-far", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "overlap": "skip"}
    made = shop.call("POST", "/api/schedules", nightly | {"task": "report.monthly", "payload": {"month": "2026-11"}})
    others = {"name": "yearly-report", "cron": "30 6 2 1 *", "task": "report.monthly", "payload": {"month": "2026-12"}}
    paused = shop.call("POST", "/api/schedules", others)
    shop.call("POST", f"/api/schedules/{paused['schedule_id']}/pause", {"note": "Until the new price list is there."})
    shop.call("POST", f"/api/schedules/{made['schedule_id']}/trigger", {})
    return str(made["schedule_id"])


def _make_endpoints(shop: Shop, url: str) -> str:
    types = ["task.succeeded", "task.failed"]
    body = {"url": f"{url}/hooks/billing", "description": "Invoices that were sent", "event_types": types}
    made = shop.call("POST", "/api/webhooks/endpoints", body | {"filter": {"tasks": ["invoice.send"]}})
    others = {"url": f"{url}/hooks/reports", "description": "Reports, for the data team", "event_types": types}
    shop.call("POST", "/api/webhooks/endpoints", others | {"filter": {"tasks": ["report.monthly"]}})
    return str(made["endpoint_id"])


def _work(shop: Shop) -> str:
    """Run the tasks of a morning. Return one that was attempted more than once."""
    ids = [
        shop.submit("customers.import", {"file": f"batch-{n}.csv", "rows": 400 + 37 * n}, tags=["nightly"])
        for n in range(4)
    ]
    ids += [
        shop.submit("report.monthly", {"month": f"2026-{n:02}"}, tags=["monthly", f"customer-{100 + n}"])
        for n in (8, 9, 10)
    ]
    ids += [
        shop.submit(
            "invoice.send", {"order": 4700 + n, "amount": f"{19 + 7 * n}.90"}, metadata={"order": str(4700 + n)},
            tags=[f"customer-{200 + n}"],
        )
        for n in range(9)
    ]  # fmt: skip
    ids += [
        shop.submit("customers.import", {"file": "old.csv", "rows": 90, "bad_row": 41 + n}, tags=["nightly"])
        for n in range(2)
    ]
    payload = {"order": 4711, "amount": "129.90", "attempts_that_fail": 1}
    retried = shop.submit("invoice.send", payload, tags=["customer-204"], metadata={"order": "4711"}, max_attempts=3)
    _wait(lambda: all(shop.has_ended(task_id) for task_id in [*ids, retried]))
    return retried


def _wait_for_failed_delivery(shop: Shop) -> str:
    """Return a delivery with an attempt that was answered 503."""
    found: list[str] = []

    def is_there() -> bool:
        for item in shop.call("GET", "/api/webhooks/deliveries?limit=100")["items"]:
            answer = shop.call("GET", f"/api/webhooks/deliveries/{item['delivery_id']}")
            if any(attempt["status"] == 503 for attempt in answer["attempts"]):  # noqa: PLR2004 the receiver's
                found.append(str(item["delivery_id"]))
        return bool(found)

    _wait(is_there)
    return found[0]


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > until:
            message = "the shop's tasks did not end in time"
            raise StackError(message)
        time.sleep(0.2)


async def _write_history(url: str, tenant_id: UUID) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_HOURS, tenant_id, _TIMES)
        for statement in (_DAYS, _COUNTS):
            await connection.execute(statement, tenant_id)
    finally:
        await connection.close()
