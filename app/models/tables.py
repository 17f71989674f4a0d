"""Every table, gathered so that their metadata is complete."""

from app.models.account import ApiKey, AuthEpoch
from app.models.audit_event import AuditEvent
from app.models.delivery import Delivery, DeliveryAttempt, WebhookSecret
from app.models.task import Attempt, BacklogEntry, IdempotencyKey, Result, Task
from app.models.tenant import Tenant, TenantSlots
from app.models.usage import Usage
from app.models.worker import Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditEvent",
    "AuthEpoch",
    "BacklogEntry",
    "Delivery",
    "DeliveryAttempt",
    "IdempotencyKey",
    "Result",
    "Task",
    "Tenant",
    "TenantSlots",
    "Usage",
    "WebhookSecret",
    "Worker",
]
