"""Waits until the API answers and workers are there, or says which process ended instead."""

import time
from http import HTTPStatus

from scripts.stack import files, http_client, parts, ports
from scripts.stack.errors import ChildDiedError, StackError
from scripts.stack.stackfile import Stack

_SECONDS = 90.0
# A process that cannot run ends within this, also where the others are ready at once.
_SETTLING_SECONDS = 1.0


def wait(stack: Stack, offsets: dict[str, int], settling_seconds: float = _SETTLING_SECONDS) -> None:
    """Return when the stack is ready; ``offsets`` tells where each part's log began with this start."""
    deadline = time.monotonic() + _SECONDS
    settled_at = time.monotonic() + (settling_seconds if offsets else 0)
    answer: dict[str, object] = {}
    has_http = "http" in stack.processes
    while (
        not (_is_ready(answer := _ask(stack), has_http=has_http) and _is_ours(stack) and _has_operator(stack))
        or time.monotonic() < settled_at
    ):
        for part in stack.processes:
            if not stack.is_running(part):
                raise _death(stack, part, offsets.get(part, 0))
        if time.monotonic() > deadline:
            seen = answer or "the API does not answer"
            message = f"not ready after {_SECONDS:.0f} s ({seen}): see the logs in {stack.data_dir}/logs"
            raise StackError(message)
        time.sleep(0.05)


def _ask(stack: Stack) -> dict[str, object]:
    try:
        status, answer = http_client.call(f"{stack.api_url}/readyz", seconds=5.0)
    except OSError:
        return {}
    return {**answer, "http_status": status}


def _is_ready(answer: dict[str, object], *, has_http: bool) -> bool:
    pools = answer.get("workers_by_pool")
    # The worker of http_request runs nothing else.
    is_served = isinstance(pools, dict) and bool(pools.keys() - {"http"}) and (not has_http or "http" in pools)
    return answer.get("http_status") == HTTPStatus.OK and is_served


def _is_ours(stack: Stack) -> bool:
    """Tell whether our own API gave the answer: another stack's may have been quicker to take the port."""
    api = stack.processes.get("api")
    return api is not None and ports.is_held_by(int((stack.api_url or "").rpartition(":")[2]), api.pid)


def _has_operator(stack: Stack) -> bool:
    """Tell whether the operator's pages answer at their address, where they are wanted."""
    process = stack.processes.get("operator")
    if stack.operator_address is None or process is None:
        return True
    return ports.is_held_by(int(stack.operator_address.rpartition(":")[2]), process.pid)


def _death(stack: Stack, part: str, offset: int) -> ChildDiedError:
    log = parts.log_of(stack.data_dir, part)
    lines = "\n  ".join(files.tail(log, 12, offset))
    return ChildDiedError(f"{part} ended while it was starting; its log is {log}:\n  {lines}")
