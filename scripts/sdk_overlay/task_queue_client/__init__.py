"""The client of the Task Queue Worker API: ``TaskQueue``, and ``AsyncTaskQueue`` with the same names."""

from ._async.client import AsyncTaskQueue
from ._async.handles import AsyncOperationHandle, AsyncTaskHandle
from ._async.streams import AsyncEventStream
from ._async.worker import AsyncWorker
from ._sync.client import TaskQueue
from ._sync.handles import OperationHandle, TaskHandle
from ._sync.streams import EventStream
from ._sync.worker import Worker
from .errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    CursorLostError,
    GoneError,
    IdempotencyMismatchError,
    InvalidCursorError,
    InvalidRequestError,
    LimitReachedError,
    NotFoundError,
    OperationFailedError,
    PayloadTooLargeError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    TaskErasedError,
    TaskFailedError,
    TaskQueueError,
    TaskRevokedError,
    TenantSuspendedError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from .task_types import NewTask, TaskName, TaskOptions
from .version import VERSION
from .webhooks import (
    MemoryReplayStore,
    ReplayStore,
    WebhookEvent,
    WebhookVerificationError,
    receive_webhook,
    verify_webhook,
)
from .working import TaskContext, TaskFailure

__version__ = VERSION

__all__ = [
    "APIError",
    "AsyncEventStream",
    "AsyncOperationHandle",
    "AsyncTaskHandle",
    "AsyncTaskQueue",
    "AsyncWorker",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "CursorLostError",
    "EventStream",
    "GoneError",
    "IdempotencyMismatchError",
    "InvalidCursorError",
    "InvalidRequestError",
    "LimitReachedError",
    "MemoryReplayStore",
    "NewTask",
    "NotFoundError",
    "OperationFailedError",
    "OperationHandle",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "ReplayStore",
    "ServerError",
    "ServiceUnavailableError",
    "TaskContext",
    "TaskErasedError",
    "TaskFailedError",
    "TaskFailure",
    "TaskHandle",
    "TaskName",
    "TaskOptions",
    "TaskQueue",
    "TaskQueueError",
    "TaskRevokedError",
    "TenantSuspendedError",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
    "WebhookEvent",
    "WebhookVerificationError",
    "Worker",
    "__version__",
    "receive_webhook",
    "verify_webhook",
]
