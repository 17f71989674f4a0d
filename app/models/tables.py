"""Import every table, so that the metadata of SQLModel is complete."""

from app.models.account import ApiKey, AuthEpoch, ConsoleSession, Member, Person, PortalLink, RevokedToken
from app.models.audit_event import AuditEvent
from app.models.background_act import BackgroundAct
from app.models.delivery import Delivery, DeliveryAttempt, WebhookSecret
from app.models.endpoint import Endpoint, EndpointSecret
from app.models.event import Event, WebhookCursor
from app.models.held import DependencyRecord, HeldTask
from app.models.operator import OperatorLink, OperatorSession
from app.models.process import ProcessHeartbeat
from app.models.remote import LeaseRecord, RemoteWorkerRecord, TaskTypeRecord
from app.models.schedule import FireRecord, ScheduleRecord
from app.models.stat import StatBucket
from app.models.task import Attempt, BacklogEntry, IdempotencyKey, Result, Task
from app.models.task_error import ErrorRow, ErrorSeen, ErrorTask
from app.models.tenant import Tenant, TenantSlots
from app.models.usage import TenantAdmitted, UsageByTask, WorkerTime
from app.models.webhook_stat import WebhookStat
from app.models.worker import DispatcherLease, LongTaskType, PoolSlots, Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditEvent",
    "AuthEpoch",
    "BackgroundAct",
    "BacklogEntry",
    "ConsoleSession",
    "Delivery",
    "DeliveryAttempt",
    "DependencyRecord",
    "DispatcherLease",
    "Endpoint",
    "EndpointSecret",
    "ErrorRow",
    "ErrorSeen",
    "ErrorTask",
    "Event",
    "FireRecord",
    "HeldTask",
    "IdempotencyKey",
    "LeaseRecord",
    "LongTaskType",
    "Member",
    "OperatorLink",
    "OperatorSession",
    "Person",
    "PoolSlots",
    "PortalLink",
    "ProcessHeartbeat",
    "RemoteWorkerRecord",
    "Result",
    "RevokedToken",
    "ScheduleRecord",
    "StatBucket",
    "Task",
    "TaskTypeRecord",
    "Tenant",
    "TenantAdmitted",
    "TenantSlots",
    "UsageByTask",
    "WebhookCursor",
    "WebhookSecret",
    "WebhookStat",
    "Worker",
    "WorkerTime",
]
