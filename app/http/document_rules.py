"""Apply the common rules of the API document to every operation, so that each new route follows them."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.core.errors import Problem
from app.http import document_nulls, problem
from app.http.examples import add_examples
from app.http.version import API_VERSION

_HEADERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "API-Version": ("The version of the API. It changes when clients must change.", {"const": API_VERSION}),
    "ETag": ("Send it as `If-None-Match`: the answer is 304 as long as the document is unchanged.", {}),
    "Idempotency-Replayed": ("`true` if an earlier request with this Idempotency-Key made the answer.", {}),
    "Link": ('The next page, with `rel="next"`; absent on the last page.', {}),
    "Location": ("The path of the task or operation that was accepted.", {}),
    "RateLimit": ("The remainder of each limit (IETF draft 11).", {}),
    "RateLimit-Policy": ("The limits that apply (IETF draft 11).", {}),
    "Retry-After": ("Seconds to wait before the next attempt.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("The authentication scheme, and the error of the credentials (RFC 6750).", {}),
    "X-Request-ID": ("The id of the request: your own if you sent one. It is in the operator's log.", {}),
}
_ON_EVERY_ANSWER: Final = ("API-Version", "X-Request-ID")
_BY_STATUS: Final = {
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_OF_FASTAPI: Final = "Successful Response"
# These refusals come before the call is counted, so the answer has no RateLimit fields.
_NOT_COUNTED: Final = frozenset({"401", "403", "503"})


def headers(*names: str) -> dict[str, Any]:
    """Return the ``headers`` member of one response: references to the document's components, by name."""
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}


def apply(described: dict[str, Any]) -> dict[str, Any]:
    """Add credentials, response headers and examples to every operation; remove nulls that mean nothing.

    Changes the OpenAPI document, and returns it.
    """
    components = described["components"]
    components["headers"] = {
        name: {"description": meaning, "schema": {"type": "string"} | schema}
        for name, (meaning, schema) in _HEADERS.items()
    }
    # Some client generators send all schemes of the list at once, and the API refuses credentials that are sent twice.
    components["securitySchemes"].pop("apiKey", None)
    for operation in _operations(described):
        operation["security"] = [scheme for scheme in operation.get("security", []) if "bearer" in scheme]
        _add_headers(operation)
        _describe_success(operation, components["schemas"])
    document_nulls.drop(described)
    _drop_unicode_patterns(described)
    add_examples(described)
    return described


def _operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in described["paths"].values():
        yield from (operation for operation in item.values() if isinstance(operation, dict))


def _add_headers(operation: dict[str, Any]) -> None:
    # An operation that documents ``rate_limited`` is counted, so its answers report the limits.
    is_rated = "rate_limited" in str(operation["responses"].get("429", ""))
    for status, response in operation["responses"].items():
        names = {*_ON_EVERY_ANSWER, *_BY_STATUS.get(status, ())}
        if is_rated and status not in _NOT_COUNTED:
            names |= {"RateLimit", "RateLimit-Policy"}
        response["headers"] = response.get("headers", {}) | headers(*sorted(names))["headers"]


def add_problems(
    described: dict[str, Any], operation_ids: Iterable[str | None], *kinds: type[Problem]
) -> dict[str, Any]:
    """Document that these operations may answer with the problems. Changes the OpenAPI document, and returns it.

    A status that an operation documents already gets further examples.
    """
    ids = frozenset(operation_ids)
    for operation in _operations(described):
        if operation["operationId"] in ids:
            for status, response in problem.responses(*kinds).items():
                _merge(operation["responses"].setdefault(str(status), response), response)
    return described


def _merge(known: dict[str, Any], added: dict[str, Any]) -> None:
    # The same object: ``setdefault`` has just stored it, because the operation did not have this status.
    if known is added:
        return
    for media_type, content in added["content"].items():
        examples = known["content"][media_type]["examples"]
        for code, example in content["examples"].items():
            if code not in examples:
                examples[code] = example
                known["description"] += f"; {example['summary']}"


def _drop_unicode_patterns(part: Any) -> None:
    # Without a flag JavaScript reads \p{C} as some letters, and tools that do not set it refuse valid texts.
    if isinstance(part, dict):
        if isinstance(pattern := part.get("pattern"), str) and "\\p{" in pattern:
            del part["pattern"]
        for value in part.values():
            _drop_unicode_patterns(value)
    elif isinstance(part, list):
        for value in part:
            _drop_unicode_patterns(value)


def _describe_success(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    # The docstring of the body's model says more than FastAPI's text for every answer.
    for response in operation["responses"].values():
        if response["description"] == _OF_FASTAPI:
            body = response.get("content", {}).get("application/json", {}).get("schema", {})
            told = schemas.get(body.get("$ref", "").rpartition("/")[2], {}).get("description", "Done.")
            response["description"] = " ".join(told.split())
