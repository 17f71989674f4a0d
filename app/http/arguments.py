"""Read the parameters of an operation from the path, the query and the headers of a request.

FastAPI's own reading gives the same values and errors at several times the cost.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.types import Scope

from app.http import query_parameters


class Arguments:
    """The parameters of one operation, as FastAPI has read them from the handler's signature."""

    def __init__(self, dependant: Dependant) -> None:
        """``dependant`` has the fields, with their names, defaults and rules."""
        self._path = dependant.path_params
        self._query = {field.alias: field for field in dependant.query_params}
        self._headers = {field.alias.encode(): field for field in dependant.header_params}
        fields = [*dependant.query_params, *dependant.header_params]
        self._defaults = {field.name: field.default for field in fields if not field.field_info.is_required()}
        self._required = [field for field in fields if field.field_info.is_required()]

    def read(self, scope: Scope) -> dict[str, Any]:
        """Return the values by the names of the handler's parameters. Raises ``RequestValidationError``."""
        values = self._defaults.copy()
        faults: list[Any] = []
        for field in self._path:
            _take(field, scope["path_params"][field.alias], "path", values, faults)
        if query := scope["query_string"]:
            self._read_query(query, values, faults)
        if self._headers:
            self._read_headers(scope["headers"], values, faults)
        faults += [_missing(field) for field in self._required if field.name not in values]
        if faults:
            raise RequestValidationError(faults)
        return values

    def _read_query(self, query: bytes, values: dict[str, Any], faults: list[Any]) -> None:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        given = dict(pairs)
        if len(given) < len(pairs) or not given.keys() <= self._query.keys():
            raise RequestValidationError(query_parameters.faults(query, frozenset(self._query)))
        for name, text in given.items():
            _take(self._query[name], text, "query", values, faults)

    def _read_headers(self, sent: Sequence[tuple[bytes, bytes]], values: dict[str, Any], faults: list[Any]) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in sent:
            if name in self._headers:
                # Several fields of one name mean one with a list (RFC 9110, 5.2), and a proxy may join them.
                found[name] = b", ".join((found[name], value)) if name in found else value
        for name, value in found.items():
            _take(self._headers[name], value.decode("latin-1"), "header", values, faults)


def _take(field: Any, text: str, place: str, values: dict[str, Any], faults: list[Any]) -> None:
    value, found = field.validate(text, values, loc=(place, field.alias))
    if found:
        faults += found
        # So that it is not reported as missing as well.
        value = None
    values[field.name] = value


def _missing(field: Any) -> dict[str, Any]:
    return {"type": "missing", "loc": (field.field_info.in_.value, field.alias), "msg": "Field required"}
