"""The interface of both pools' workers for Celery's signals and its one job."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID


class WorkerPool(Protocol):
    """One kind of worker: ``prefork.worker.PreforkWorker`` or ``aio.worker.AsyncioWorker``."""

    def begin(self, queues: Collection[str]) -> None:
        """Begin the duties of the main process: heartbeat, and the ends that come from outside."""

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim and run due tasks of a tenant whose ticket was taken."""

    def drain(self, seconds: float) -> None:
        """Begin to stop, from a signal's handler: Celery takes no more tickets."""

    def close(self) -> None:
        """End the main process's duties, and remove the worker's row."""
