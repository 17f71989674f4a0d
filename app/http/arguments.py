"""Read the parameters of an operation from the path, the query and the headers of a request.

FastAPI reads the same values and reports the same errors, at several times the cost.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import PlainValidator, WithJsonSchema
from pydantic.fields import FieldInfo
from starlette.types import Scope

from app.http import query_parameters

_DOCUMENTATION: Final = (FieldInfo, WithJsonSchema)
"""The metadata of a parameter that checks nothing."""


class SentOnce:
    """The rule of a header that is no list: a request that has it twice is refused."""


class _Parameter:
    """One parameter: its name in the handler, its name in the request (``alias``), and its rules."""

    def __init__(self, field: Any) -> None:
        self.name = field.name
        self.alias = field.alias
        self.is_required = field.field_info.is_required()
        self.default = field.default
        self.loc = (field.field_info.in_.value, field.alias)
        self.missing = {"type": "missing", "loc": self.loc, "msg": "Field required"}
        self.doubled = {"type": "", "loc": self.loc, "msg": "Send this header once"}
        self.is_single = any(isinstance(rule, SentOnce) for rule in field.field_info.metadata)
        self._validate = field.validate
        self.read = _reader(getattr(field.field_info.annotation, "__metadata__", ()) or field.field_info.metadata)

    def take(self, text: str, values: dict[str, Any], faults: list[Any]) -> None:
        """Validate the text that was sent. Add the value to ``values``, or the errors to ``faults``."""
        # An invalid parameter gets the value None, so that it is not reported as missing in addition.
        values[self.name], found = self._validate(text, values, loc=self.loc)
        if found:
            faults += found

    def take_by_reader(self, text: str, values: dict[str, Any], faults: list[Any]) -> None:
        """Do the same with the parameter's own function, which may raise a ``Problem``."""
        try:
            values[self.name] = self.read(text)
        except ValueError:
            # Pydantic calls the function again, and describes the error.
            self.take(text, values, faults)


def _reader(rules: Sequence[Any]) -> Any:
    """Return the function of a ``PlainValidator``, if it is the only rule; else None.

    It replaces pydantic's own checks, so it is called directly: to reach it through pydantic would cost as much as the
    function itself.
    """
    rules = [rule for rule in rules if not isinstance(rule, _DOCUMENTATION)]
    return rules[0].func if len(rules) == 1 and isinstance(rules[0], PlainValidator) else None


class Arguments:
    """The parameters of one operation. FastAPI has read their declarations from the handler's signature."""

    def __init__(self, dependant: Dependant) -> None:
        """``dependant`` is FastAPI's description of the signature: the fields with their names, defaults and rules."""
        self._path = [_Parameter(field) for field in dependant.path_params]
        self._query = {field.alias: _Parameter(field) for field in dependant.query_params}
        # Bytes in lower case, as ASGI gives the names of headers: so no request has to convert them.
        self._headers = {field.alias.lower().encode(): _Parameter(field) for field in dependant.header_params}
        others = [*self._query.values(), *self._headers.values()]
        self._defaults = {parameter.name: parameter.default for parameter in others if not parameter.is_required}
        self._required = [parameter for parameter in others if parameter.is_required]

    @property
    def names(self) -> set[str]:
        """Return the names of the handler's parameters that ``read`` may give."""
        return {parameter.name for parameter in (*self._path, *self._query.values(), *self._headers.values())}

    def read(self, scope: Scope) -> dict[str, Any]:
        """Return the values, by the names of the handler's parameters.

        ``scope`` needs ``path_params``. Raises ``RequestValidationError`` with every error, and the error of a
        parameter's own function at once.
        """
        values = self._defaults.copy()
        faults: list[Any] = []
        if query := scope["query_string"]:
            self._read_query(query, values, faults)
        if self._headers:
            self._read_headers(scope["headers"], values, faults)
        # Most operations have no required query parameter or header, so they skip the loop.
        if self._required:
            faults += [parameter.missing for parameter in self._required if parameter.name not in values]
        for parameter in self._path:
            text = scope["path_params"][parameter.alias]
            if parameter.read is None:
                parameter.take(text, values, faults)
            elif not faults:
                # Last, so that an invalid request is a 422 whether its id is malformed or only unknown.
                parameter.take_by_reader(text, values, faults)
        if faults:
            raise RequestValidationError(faults)
        return values

    def _read_query(self, query: bytes, values: dict[str, Any], faults: list[Any]) -> None:
        # Empty values are kept: ``?tag=`` is an invalid tag, and not a request without a filter.
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        given = dict(pairs)
        if len(given) < len(pairs) or not given.keys() <= self._query.keys():
            raise RequestValidationError(query_parameters.faults(query, frozenset(self._query)))
        for name, text in given.items():
            self._query[name].take(text, values, faults)

    def _read_headers(self, sent: Sequence[tuple[bytes, bytes]], values: dict[str, Any], faults: list[Any]) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in sent:
            if (parameter := self._headers.get(name)) is None:
                continue
            if name in found and parameter.is_single:
                raise RequestValidationError([parameter.doubled])
            # Several headers with one name mean the same as one header with a list (RFC 9110, 5.2). A proxy may join
            # them, so both forms must give the same value.
            found[name] = b", ".join((found[name], value)) if name in found else value
        for name, value in found.items():
            self._headers[name].take(value.decode("latin-1"), values, faults)
