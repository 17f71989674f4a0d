"""Refusals as exceptions."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar, cast

from .errors import UnexpectedStatus
from .models.field_error import FieldError
from .models.problem_body import ProblemBody
from .types import Response

T = TypeVar("T")

_MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """The API refused (RFC 9457); ``code`` is stable, the texts are for people."""

    def __init__(self, body: ProblemBody, retry_after: float | None) -> None:
        """``body`` is the answer, ``retry_after`` the header's value."""
        super().__init__(_line(body))
        self.status: int = body.status
        self.code: str = body.code
        self.title: str = body.title
        self.detail: str = body.detail
        self.request_id: str = body.request_id
        """What to tell the operator: it is in the log of the service."""
        self.errors: tuple[FieldError, ...] = tuple(body.errors or ())
        """With ``invalid_request``: each fault, and where it is."""
        self.retry_after: float | None = retry_after
        """Seconds after which the same call may succeed, where the API says so."""
        self.members: dict[str, object] = body.additional_properties
        """What this kind of problem says beside."""


def unwrap(response: Response[T]) -> T:
    """Return what a call answered: ``unwrap(submit_task.sync_detailed(client=client, body=SubmitLongTask()))``.

    Raises ``ProblemError`` when the API refused, and ``errors.UnexpectedStatus`` for what is no answer of the API's,
    such as a proxy's page.
    """
    if problem := problem_of(response):
        raise problem
    if response.parsed is None and response.status_code != HTTPStatus.NO_CONTENT:
        raise UnexpectedStatus(response.status_code, response.content)
    return cast("T", response.parsed)


def problem_of(response: Response[T]) -> ProblemError | None:
    """Return the refusal that a response is, or None."""
    if not response.headers.get("content-type", "").startswith(_MEDIA_TYPE):
        return None
    try:
        body = ProblemBody.from_dict(json.loads(response.content))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnexpectedStatus(response.status_code, response.content) from None
    return ProblemError(body, _retry_after(response.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _line(body: ProblemBody) -> str:
    faults = "".join(
        f"; {fault.pointer or fault.parameter or fault.header}: {fault.detail}" for fault in body.errors or ()
    )
    return f"{body.status} {body.code}: {body.detail}{faults} (request {body.request_id})"
