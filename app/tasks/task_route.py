"""Read the bodies of the task calls: count a submit first, and let a large body wait for room."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from fastapi import Request, Response

from app.http.strict_json import ORDINARY, Bounds, loads
from app.identity.dependencies import CallerRoute, authenticate, permitted
from app.identity.principal import Principal
from app.quotas import dependencies as quotas
from app.tasks.large_bodies import LargeBodies
from app.tasks.schemas import BATCH_BOUNDS

_SUBMITS: Final = frozenset({"submit_task", "submit_tasks", "retry_task"})


class TaskRoute(CallerRoute):
    """Counts a submit before its body is read, and receives and parses a large body only when there is room."""

    @property
    def bounds(self) -> Bounds:
        """Return the bounds of the body's size and depth."""
        return BATCH_BOUNDS if self.operation_id == "submit_tasks" else ORDINARY

    async def before_body(self, request: Request) -> None:
        """Authenticate the caller, count the call, and reserve memory for a submit's large body."""
        principal = permitted(await authenticate(request), *(self.required_scopes or ()))
        if self.operation_id not in _SUBMITS:
            await quotas.count(request, principal)
            return
        await quotas.admit(request, principal)
        request.scope["state"]["exit_stack"].enter_context(
            _large_bodies(request).receiving(principal.tenant_id, request.scope["headers"], self.bounds.size)
        )

    async def parse(self, request: Request, raw: bytes) -> Any:
        """Return the document in a body; a large one is parsed in a thread."""
        principal: Principal = request.scope["state"]["principal"]
        parse = partial(loads, raw, self.bounds.depth)
        return await _large_bodies(request).read(principal.tenant_id, raw, parse, lambda _: 0)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that frees a body's memory at the end and reports the remaining rate also on a refusal."""
        answer = super().get_route_handler()
        if self.operation_id not in _SUBMITS:
            return answer

        async def answer_submit(request: Request) -> Response:
            with ExitStack() as stack:
                request.scope["state"]["exit_stack"] = stack
                return await quotas.answer_submit(request, answer)

        return answer_submit


def _large_bodies(request: Request) -> LargeBodies:
    large_bodies: LargeBodies = request.app.state.large_bodies
    return large_bodies
