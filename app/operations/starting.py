"""Start an operation for a call, and answer with where its tenant follows it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.http.json_response import JsonResponse
from app.identity.dependencies import acting
from app.identity.principal import Principal
from app.operations import asking
from app.operations.asking import Asked
from app.operations.parts import OperationParts
from app.operations.progress import Kind
from app.operations.schemas import OperationAccepted
from app.tasks.submit.idempotency import fingerprint
from app.tasks.submit.new_tasks import Idempotency


async def start(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    kind: Kind,
    chosen: dict[str, Any],
    key: str | None,
) -> Response:
    """Store an operation and return 202; 200 if an earlier request with the same Idempotency-Key has started it.

    ``chosen`` is its filter as it is stored, ``key`` the Idempotency-Key.
    """
    # With the kind: one key for a cancel and a retry of the same tasks is a mistake.
    idempotency = None if key is None else Idempotency(key, fingerprint({"kind": kind, "filter": chosen}))
    actor = acting(request, principal)
    return _accepted(await asking.start(parts.accounts, principal.tenant_id, actor, kind, chosen, idempotency))


def _accepted(asked: Asked) -> Response:
    body = OperationAccepted(operation_id=asked.operation_id, status=asked.status).model_dump_json()
    headers = {"Location": f"/api/operations/{asked.operation_id}"}
    if asked.is_replay:
        return JsonResponse(body, 200, headers | {"Idempotency-Replayed": "true"})
    return JsonResponse(body, 202, headers)
