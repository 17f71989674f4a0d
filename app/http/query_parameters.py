"""Query parameters, as strict as bodies: a name that is unknown or comes twice is refused, on every route alike."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant

_MAX_FAULTS: Final = 20


def names(dependant: Dependant) -> frozenset[str]:
    """Return the query parameters that a route takes, with those of what it depends on."""
    return frozenset(_names(dependant))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _names(dependency)


def faults(query_string: bytes, known: frozenset[str]) -> list[dict[str, Any]]:
    """Return what is wrong with the names of a query, as pydantic tells faults."""
    # As Starlette reads a query, so that both see the same names.
    sent = Counter(name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    wrong = [name for name, times in sent.items() if name not in known or times > 1]
    return [
        _fault(name, "Send this parameter once" if name in known else "This call has no such parameter")
        for name in wrong[:_MAX_FAULTS]
    ]


def _fault(name: str, message: str) -> dict[str, Any]:
    return {"type": "", "loc": ("query", name), "msg": message}
