"""The pictures: one for each page of the console."""

from typing import Final

PICTURES: Final = {
    "": "overview",
    "/tasks": "tasks",
    "/tasks/{task_id}": "task",
    "/errors": "errors",
    "/schedules": "schedules",
    "/schedules/new": "schedule-new",
    "/schedules/{schedule_id}": "schedule",
    "/webhooks": "webhooks",
    "/webhooks/new": "webhook-new",
    "/webhooks/{endpoint_id}": "webhook",
    "/webhooks/{endpoint_id}/edit": "webhook-edit",
    "/webhooks/deliveries": "deliveries",
    "/webhooks/deliveries/{delivery_id}": "delivery",
    "/operations/{operation_id}": "operation",
    "/submit": "submit",
    "/usage": "usage",
    "/keys": "keys",
    "/members": "members",
    "/audit": "audit",
    "/you": "you",
    "/sign-in": "sign-in",
}
"""The name of the picture of each page, by its path."""
DARK: Final = ("overview", "tasks", "task")
"""Those that there are in dark colours, too."""
NO_PICTURE: Final = {"/live": "a stream", "/link/{secret}": "a button that works once"}
"""What else a browser may ask for, and what it is."""
