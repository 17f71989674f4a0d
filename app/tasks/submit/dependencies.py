"""Read what a new task waits for."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.core.errors import InvalidRequest
from app.tasks.after import After
from app.tasks.submit.new_tasks import Dependency


def read(task_id: UUID, after: Sequence[After] | None) -> list[Dependency]:
    """Return what the new task ``task_id`` waits for. Raises ``InvalidRequest`` if it names a task twice."""
    found: dict[UUID, Dependency] = {}
    twice = []
    for place, one in enumerate(after or ()):
        if one.task_id in found:
            twice.append(place)
        found[one.task_id] = Dependency(task_id, one.task_id, one.when)
    if twice:
        raise invalid(twice, "names a task a second time")
    return list(found.values())


def unknown(dependencies: Sequence[Dependency], ids: Collection[UUID]) -> InvalidRequest:
    """Return the error of a submit that waits for tasks which its tenant does not have."""
    places = [place for place, one in enumerate(dependencies) if one.upstream_id in ids]
    return invalid(places, "There is no such task. GET /api/tasks lists your tasks.")


def invalid(places: Sequence[int], detail: str) -> InvalidRequest:
    """Return the error about members of ``after``, by their places."""
    errors = [{"pointer": f"#/after/{place}", "detail": detail} for place in places]
    return InvalidRequest("The request is not valid. Correct each place that errors names.", errors=errors)
