"""What becomes of tasks that wait for others, in Python: the model that the database is compared with."""

from dataclasses import dataclass, field

from app.tasks.submit.new_tasks import Need

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


def is_met(need: Need, status: str) -> bool:
    """Return whether a task that ended with a status is what another one needs."""
    return need == "finished" or (need == "success") == (status == "SUCCESS")


@dataclass
class Model:
    """Tasks by their number, in the order of their submits."""

    needs: list[dict[int, Need]] = field(default_factory=list)
    """What each task needs of which tasks."""
    status: list[str] = field(default_factory=list)
    is_cancelled: set[int] = field(default_factory=set)
    runs: list[int] = field(default_factory=list)
    """How often each task was claimed."""

    def submit(self, needs: dict[int, Need]) -> None:
        """Add a task."""
        self.needs.append(needs)
        self.status.append("PENDING")
        self.runs.append(0)
        self._settle()

    def claim(self, task: int) -> None:
        """Start a task, which must be free."""
        assert task in self.free(), (task, self.needs[task], self.status)
        self.status[task] = "STARTED"
        self.runs[task] += 1

    def end(self, task: int, status: str) -> None:
        """End the attempt of a running task; RETRY lets it wait again."""
        assert self.status[task] == "STARTED"
        self.status[task] = "REVOKED" if status == "RETRY" and task in self.is_cancelled else status
        self._settle()

    def cancel(self, task: int) -> None:
        """Cancel a task: one that waits ends at once, for one that runs it counts when it would wait again."""
        if self.status[task] in {"PENDING", "RETRY"}:
            self.status[task] = "REVOKED"
            self._settle()
        elif self.status[task] == "STARTED":
            self.is_cancelled.add(task)

    def held(self) -> set[int]:
        """Return the tasks that wait for others."""
        return {
            task
            for task, status in enumerate(self.status)
            if status == "PENDING" and any(self.status[upstream] not in ENDED for upstream in self.needs[task])
        }

    def free(self) -> set[int]:
        """Return the tasks that may be claimed."""
        return {task for task, status in enumerate(self.status) if status in {"PENDING", "RETRY"}} - self.held()

    def _settle(self) -> None:
        # A condition that can no longer hold ends its task, and that end may break further ones.
        while broken := [
            task
            for task, status in enumerate(self.status)
            if status == "PENDING"
            and any(
                self.status[upstream] in ENDED and not is_met(need, self.status[upstream])
                for upstream, need in self.needs[task].items()
            )
        ]:
            for task in broken:
                self.status[task] = "REVOKED"
