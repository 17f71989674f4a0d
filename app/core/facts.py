"""Pass on what has happened (a request, the end of an attempt) to whatever counts it in this process.

The places that write the log lines call ``tell``. Without metrics nobody listens, and ``tell`` is one look-up.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["request", "submit", "attempt", "delivery"]
Facts: TypeAlias = Mapping[str, Any]

# One listener for each kind and no list of them: ``tell`` runs in the path of every request, also where nobody listens.
_listeners: Final[dict[str, Callable[[Facts, Facts], None]]] = {}


def listen(kind: Kind, listener: Callable[[Facts, Facts], None]) -> None:
    """Call ``listener`` for each happening of this kind; it replaces an earlier listener, and must not raise."""
    _listeners[kind] = listener


def is_heard(kind: Kind) -> bool:
    """Return whether anybody listens: for callers that must put facts together first."""
    return kind in _listeners


def tell(kind: Kind, facts: Facts, **more: Any) -> None:
    """Pass on what has happened. ``facts`` are those of the log line, ``more`` is what the line does not show."""
    if (listener := _listeners.get(kind)) is not None:
        listener(facts, more)
