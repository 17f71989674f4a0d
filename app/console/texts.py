"""Refuse texts that Postgres cannot store, wherever the console reads one: in an address or in a form (pure)."""

from collections.abc import Iterable

from app.core.errors import InvalidRequest


def require_storable(fields: Iterable[tuple[str, str]]) -> None:
    """Raise ``InvalidRequest`` if a name or a value has a NUL character."""
    if any("\0" in name or "\0" in value for name, value in fields):
        raise InvalidRequest("A text has a NUL character, which cannot be stored or looked for. Remove it.")
