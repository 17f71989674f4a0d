"""Build the request of an attempt, signed with each secret of its tenant that is valid."""

import secrets as randomness
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic_core import to_json

from app.core import crypto, traceparent
from app.core.secrets import SecretsFileError
from app.http_requests.schemas import HttpRequestPayload
from app.outbound import exchange, signing
from app.outbound.http import httpx
from app.tasks import TaskContext, TaskFailure, TaskRetry
from app.tenants.webhook_secrets import SecretOpener

USER_AGENT: Final = "TaskQueueWorker-Requests/1.0"


class HttpRequestUnsigned(TaskFailure):
    """The request could not be signed, so it was not sent."""

    def __init__(self) -> None:
        super().__init__("There is no signing secret that can be opened. Ask the operator: nothing is sent unsigned.")


def build(
    payload: HttpRequestPayload, context: TaskContext, secrets: Sequence[tuple[UUID, str]], opener: SecretOpener
) -> httpx.Request:
    """Return the request of an attempt. ``secrets`` are ids and sealed texts, newest first.

    The id of the message and the Idempotency-Key are those of the task, so they are the same in each attempt. Raises
    ``TaskRetry`` if it cannot be signed.
    """
    content_type, body = _body(payload)
    try:
        keys = [signing.key(opener.open(context.tenant_id, secret_id, sealed)) for secret_id, sealed in secrets]
        signatures = signing.headers(context.task_id, datetime.now(UTC), body or b"", keys)
    except (crypto.SealBroken, SecretsFileError, ValueError):
        raise TaskRetry from HttpRequestUnsigned()
    headers = httpx.Headers({"Content-Type": content_type} if content_type else {})
    # Ours come after the tenant's: a header of the payload must not replace a signature or the key.
    headers.update(payload.headers)
    headers.update({"Idempotency-Key": context.idempotency_key, **_trace(context), **signatures})
    return exchange.request(payload.method, payload.url, headers, body, user_agent=USER_AGENT)


def _body(payload: HttpRequestPayload) -> tuple[str | None, bytes | None]:
    if payload.has_json:
        return "application/json", to_json(payload.json_body)
    if payload.text is not None:
        return "text/plain; charset=utf-8", payload.text.encode()
    return None, None


def _trace(context: TaskContext) -> dict[str, str]:
    # The trace is the task's. Each attempt is a span of its own in it, or begins a trace where the task has none.
    trace = traceparent.trace_id(context.traceparent) or randomness.token_hex(16)
    flags = context.traceparent[-2:] if context.traceparent else "00"
    return {"traceparent": f"00-{trace}-{randomness.token_hex(8)}-{flags}"}
