"""The scopes that credentials can have, and the scopes of each member role."""

from collections.abc import Mapping
from typing import Final

TASKS_READ: Final = "tasks:read"
TASKS_WRITE: Final = "tasks:write"
TASKS_WORK: Final = "tasks:work"
WEBHOOKS_READ: Final = "webhooks:read"
WEBHOOKS_MANAGE: Final = "webhooks:manage"
SCHEDULES_MANAGE: Final = "schedules:manage"
KEYS_MANAGE: Final = "keys:manage"
USAGE_READ: Final = "usage:read"
PORTAL_CREATE: Final = "portal:create"

MEANINGS: Final = {
    TASKS_READ: "See tasks, their status, results, logs and events, schedules, operations, and the task types.",
    TASKS_WRITE: "Submit, cancel and retry tasks, one or many; pause and resume the queue.",
    TASKS_WORK: "Run tasks as a worker of your own: lease them, and write how they end.",
    WEBHOOKS_READ: "See webhook endpoints, without secrets, and deliveries with their metrics.",
    WEBHOOKS_MANAGE: "Manage webhook endpoints, see and replace the secrets that sign, and send deliveries again.",
    SCHEDULES_MANAGE: "Make, change, pause, trigger and delete schedules.",
    KEYS_MANAGE: "Make and revoke API keys, manage members, and read the audit log.",
    USAGE_READ: "See limits and usage.",
    PORTAL_CREATE: "Make links that sign a browser in to the console.",
}
"""Every scope, with what it allows."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset({TASKS_READ, USAGE_READ, WEBHOOKS_READ}),
    "developer": frozenset({TASKS_READ, USAGE_READ, WEBHOOKS_READ, TASKS_WRITE, WEBHOOKS_MANAGE, SCHEDULES_MANAGE}),
    "owner": frozenset(MEANINGS),
}
"""Scopes of a member, by role."""
