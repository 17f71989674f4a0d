"""Check query parameters as strictly as bodies: every route refuses a name that is unknown or comes twice."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant

from app.core import suggestions

# Each fault costs time to describe, and the client chooses how many there are.
_MAX_FAULTS: Final = 20
_ONCE: Final = "Send this parameter once. Where it takes several values, separate them with commas"


def names(dependant: Dependant) -> frozenset[str]:
    """Return the names of the query parameters that a route and its dependencies take."""
    return frozenset(_names(dependant))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _names(dependency)


def faults(query_string: bytes, known: frozenset[str]) -> list[dict[str, Any]]:
    """Return up to 20 faults of a query's names, in pydantic's form. ``known`` are the names that the call takes."""
    # The same decoding as Starlette's, so that both see the same names.
    sent = Counter(name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    wrong = [name for name, times in sent.items() if name not in known or times > 1]
    return [_fault(name, _ONCE if name in known else _unknown(name, known)) for name in wrong[:_MAX_FAULTS]]


def _unknown(name: str, known: frozenset[str]) -> str:
    # The names that the call takes, and never the one that was sent: an error must not repeat the input.
    taken = f"It takes {', '.join(sorted(known))}." if known else "It takes none."
    return f"This call has no such parameter. {suggestions.did_you_mean(name, known).lstrip() or taken}"


def _fault(name: str, message: str) -> dict[str, Any]:
    return {"type": "", "loc": ("query", name), "msg": message}
