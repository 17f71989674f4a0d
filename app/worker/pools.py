"""The interface through which Celery's signals and its one job use the worker of either pool."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID


class WorkerPool(Protocol):
    """One kind of worker: ``prefork.worker.PreforkWorker`` or ``aio.worker.AsyncioWorker``."""

    def begin(self, queues: Collection[str]) -> None:
        """Start the background work of the main process: heartbeats, and ending attempts from outside."""

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim and run due tasks of a tenant whose ticket was taken."""

    def drain(self, seconds: float) -> None:
        """Begin to stop, within ``seconds``. Called from a signal handler, when Celery takes no more tickets."""

    def close(self) -> None:
        """Stop the background work of this process, and delete the worker's row."""
