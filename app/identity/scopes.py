"""The scopes that credentials can have, and the scopes of each member role."""

from collections.abc import Mapping
from typing import Final

TASKS_READ: Final = "tasks:read"
TASKS_WRITE: Final = "tasks:write"
WEBHOOKS_MANAGE: Final = "webhooks:manage"
KEYS_MANAGE: Final = "keys:manage"
USAGE_READ: Final = "usage:read"

MEANINGS: Final = {
    TASKS_READ: "See tasks, their status, results, logs and events, operations, and the task types.",
    TASKS_WRITE: "Submit, cancel and retry tasks, one or many; pause and resume the queue.",
    WEBHOOKS_MANAGE: "Manage webhook endpoints and secrets, and see deliveries.",
    KEYS_MANAGE: "Make and revoke API keys, manage members, and read the audit log.",
    USAGE_READ: "See limits and usage.",
}
"""Every scope, with what it allows."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset({TASKS_READ, USAGE_READ}),
    "developer": frozenset({TASKS_READ, USAGE_READ, TASKS_WRITE, WEBHOOKS_MANAGE}),
    "owner": frozenset(MEANINGS),
}
"""Scopes of a member, by role."""
