"""Import every table, so that the metadata of SQLModel is complete."""

from app.models.account import ApiKey, AuthEpoch, Member, RevokedToken
from app.models.audit_event import AuditEvent
from app.models.background_act import BackgroundAct
from app.models.delivery import Delivery, DeliveryAttempt, WebhookSecret
from app.models.event import Event, WebhookCursor
from app.models.process import ProcessHeartbeat
from app.models.task import Attempt, BacklogEntry, IdempotencyKey, Result, Task
from app.models.tenant import Tenant, TenantSlots
from app.models.usage import TenantAdmitted, UsageByTask, WorkerTime
from app.models.worker import DispatcherLease, LongTaskType, PoolSlots, Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditEvent",
    "AuthEpoch",
    "BackgroundAct",
    "BacklogEntry",
    "Delivery",
    "DeliveryAttempt",
    "DispatcherLease",
    "Event",
    "IdempotencyKey",
    "LongTaskType",
    "Member",
    "PoolSlots",
    "ProcessHeartbeat",
    "Result",
    "RevokedToken",
    "Task",
    "Tenant",
    "TenantAdmitted",
    "TenantSlots",
    "UsageByTask",
    "WebhookCursor",
    "WebhookSecret",
    "Worker",
    "WorkerTime",
]
