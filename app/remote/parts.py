"""The parts of the API process that the calls of tenants' own workers use."""

from dataclasses import dataclass

from app.db import Database
from app.remote.parked_polls import ParkedPolls
from app.tasks.parts import TaskParts
from app.tasks.run.leases import SeenWorkers


@dataclass(frozen=True, kw_only=True)
class RemoteParts(TaskParts):
    """The parts that the handlers of the calls of tenants' own workers use."""

    worker: Database
    """Logs in as tq_worker: it claims and ends tasks."""
    seen_workers: SeenWorkers
    parked_polls: ParkedPolls
