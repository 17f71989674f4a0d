"""Say what each limit bounds, for people."""

from typing import Final

MEANINGS: Final = {
    "requests_per_second": "API requests in a second, for long",
    "burst": "API requests at once, before the rate limits them",
    "running": "Tasks that run at once",
    "backlog": "Tasks that wait at once",
    "tasks_per_day": "New tasks in a day (UTC)",
    "tasks_per_month": "New tasks in a month (UTC)",
    "payload_bytes": "Bytes of one payload",
    "result_bytes": "Bytes of one result",
    "api_keys": "Valid API keys",
    "schedules": "Schedules",
    "webhook_endpoints": "Webhook endpoints",
    "retention_days": "Days for which an ended task is kept",
    "log_lines": "Log lines that are kept of one task",
    "event_hours": "Hours for which an event can be read",
    "streams": "Open event streams in one api process",
    "http_requests_per_second": "Requests of http_request that are sent in a second",
    "task_types": "Task types of your own",
    "leases": "Tasks that your own workers run at once",
    "parked_polls": "Lease calls that wait at once in one api process",
    "weight": "Share of the workers when tenants compete",
}
"""The things that each limit bounds, for people."""
