"""Handlers of the calls of tenants' own workers."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from app.events.calls import client_of
from app.http.json_response import JsonResponse, NoResponse
from app.http.strict_json import Incoming
from app.identity.principal import Principal
from app.remote import work
from app.remote.parts import RemoteParts
from app.remote.schemas import (
    FinishRequest,
    HeartbeatRequest,
    LeaseRequest,
    ReleaseRequest,
    RemoteWorker,
    RemoteWorkerList,
)
from app.tasks import lease_store


async def lease_tasks(request: Request, principal: Principal, parts: RemoteParts, body: LeaseRequest) -> Response:
    """Lease due tasks of your own types to a worker of yours. Run each one, then finish it.

    A lease ends after 15 s unless a call names it: a heartbeat, a finish, a release, or `holding`. After that, each
    heartbeat renews it. With `wait_seconds` the call waits for a task if none is due.
    """
    if not body.wait_seconds:
        return _answer(await work.lease(parts, principal, body))
    answer = await work.wait_and_lease(parts, principal, body, body.wait_seconds, client_of(request, parts))
    return NoResponse() if answer is None else _answer(answer)


async def heartbeat_leases(principal: Principal, parts: RemoteParts, body: HeartbeatRequest) -> Response:
    """Renew leases, and report progress and log lines. Send it at a third of `lease_seconds`, at least."""
    return _answer(await work.heartbeat(parts, principal, body))


async def finish_leases(
    request: Request, principal: Principal, parts: RemoteParts, body: Incoming[FinishRequest]
) -> Response:
    """End attempts with their results or errors, and lease the next tasks in the same call.

    The same end may be sent again, and has the same outcome. An end for a lease that is lost changes nothing.
    """
    with parts.large_bodies.receiving(principal.tenant_id, request.scope["headers"], body.bounds.size):
        raw = await body.receive()
        wanted = await parts.large_bodies.read(principal.tenant_id, raw, body.read, lambda read: len(read.results))
        return _answer(await work.finish(parts, principal, wanted))


async def release_leases(principal: Principal, parts: RemoteParts, body: ReleaseRequest) -> Response:
    """Give tasks back, for example when a worker stops. They wait again, and the attempts are not counted."""
    return _answer(await work.release(parts, principal, body.leases))


async def list_workers(principal: Principal, parts: RemoteParts) -> RemoteWorkerList:
    """List your own workers, those seen last first."""
    async with parts.reader.transaction(principal.tenant_id) as connection:
        rows = await lease_store.workers(connection, principal.tenant_id)
    return RemoteWorkerList(
        items=[
            RemoteWorker(
                worker=row["worker"],
                version=row["version"],
                tasks=row["task_types"],
                leases=row["leases"],
                alive=row["is_seen"],
                first_seen_at=row["first_seen_at"],
                last_seen_at=row["seen_at"],
            )
            for row in rows
        ]
    )


def _answer(members: Mapping[str, str]) -> Response:
    texts = [f'"{name}":{text}' for name, text in members.items()]
    return JsonResponse("{" + ",".join(texts) + "}")
