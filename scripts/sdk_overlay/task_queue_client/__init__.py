"""The client of the Task Queue Worker API.

The calls are in ``task_queue_client.api``, a module for each; ``unwrap`` turns what they return into an answer or
a ``ProblemError``.
"""

from .client import AuthenticatedClient, Client
from .connecting import connect
from .problems import ProblemError, unwrap
from .waiting import wait_for_result, wait_for_result_async
from .webhooks import (
    MemoryReplayStore,
    ReplayStore,
    WebhookEvent,
    WebhookVerificationError,
    receive_webhook,
    verify_webhook,
)

__all__ = [
    "AuthenticatedClient",
    "Client",
    "MemoryReplayStore",
    "ProblemError",
    "ReplayStore",
    "WebhookEvent",
    "WebhookVerificationError",
    "connect",
    "receive_webhook",
    "unwrap",
    "verify_webhook",
    "wait_for_result",
    "wait_for_result_async",
]
